package dev.jwen.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names, settings, and the choice of files: all that happens before the first request. */
class ModelNameTest {
    private static final String HASH = "a".repeat(64);

    @ParameterizedTest
    @CsvSource({
        "Qwen/Qwen3.5-4B, Qwen/Qwen3.5-4B, models--Qwen--Qwen3.5-4B",
        "hf.co/a/b:q4_k_m, a/b:Q4_K_M, models--a--b",
        "https://huggingface.co/a/b/, a/b, models--a--b",
        "https://huggingface.co/a/b/blob/main/x/f.gguf, a/b/x/f.gguf@main, models--a--b",
        "huggingface.co/a/b/tree/v1, a/b@v1, models--a--b",
        "modelscope.cn/a/b, modelscope.cn/a/b, models--modelscope.cn--a--b",
        "https://www.modelscope.cn/models/a/b, modelscope.cn/a/b, models--modelscope.cn--a--b",
        "a/b@refs/pr/1:UD-Q2_K_XL, a/b@refs/pr/1:UD-Q2_K_XL, models--a--b"
    })
    void namesAreReadAndWritten(String text, String written, String folder) {
        ModelName name = ModelName.of(text);
        assertThat(name).hasToString(written);
        assertThat(name.folder()).isEqualTo(folder);
        assertThat(ModelName.of(name.toString())).isEqualTo(name);
        ModelName ofFolder = Objects.requireNonNull(ModelName.ofFolder(folder));
        assertThat(ofFolder.id()).isEqualTo(name.id());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "qwen",
                "a/",
                "/a/b",
                "../b",
                "a/..",
                "a/b/c",
                "a/b/../x.gguf",
                "a--b/c",
                "hf.co/a",
                "a/b@",
                "a/b@../x",
                "a/b:Q4 K",
                "example.org/a/b",
                "a b/c",
                "a/b/f.gguf:Q8_0",
                "models/f.gguf",
                "models/x\u0000y"
            })
    void whatIsNoNameIsRefusedInASentence(String text) {
        assertThatThrownBy(() -> ModelName.of(text))
                .isInstanceOf(HubException.class)
                .message()
                .isNotBlank();
    }

    @ParameterizedTest
    @CsvSource({
        "Qwen3.5-4B-Q4_K_M.gguf, Q4_K_M",
        "Qwen3.5-4B-UD-Q2_K_XL.gguf, UD-Q2_K_XL",
        "BF16/Qwen3.5-27B-BF16-00001-of-00002.gguf, BF16",
        "qwen3.5-4b.iq4_xs.gguf, IQ4_XS",
        "Qwen3.5-4B-MXFP4_MOE.gguf, MXFP4_MOE",
        "Qwen3.5-4B-Q8_0-imatrix.gguf, Q8_0",
        "model.gguf, ''"
    })
    void quantisationsAreReadFromFileNames(String file, String quantisation) {
        assertThat(GgufModel.quantisationOf(file)).isEqualTo(quantisation);
    }

    private static List<String> select(String name, String... paths) {
        List<RemoteFile> files =
                Arrays.stream(paths).map(path -> new RemoteFile(path, 1, HASH)).toList();
        return Selection.of(new Listing(HubServer.COMMIT, "main", files), ModelName.of(name)).stream()
                .map(RemoteFile::path)
                .toList();
    }

    @Test
    void ofASafetensorsModelOnlyWhatItNeedsIsChosen() {
        assertThat(select(
                        "a/b",
                        "README.md",
                        "LICENSE",
                        ".gitattributes",
                        "config.json",
                        "model.safetensors.index.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "consolidated.safetensors",
                        "pytorch_model.bin",
                        "onnx/model.onnx",
                        "original/params.json",
                        "merges.txt",
                        "tokenizer.json",
                        "chat_template.jinja",
                        "additional_chat_templates/tools.jinja",
                        "flax_model.msgpack",
                        "picture.png"))
                .containsExactly(
                        "LICENSE",
                        "README.md",
                        "additional_chat_templates/tools.jinja",
                        "chat_template.jinja",
                        "config.json",
                        "merges.txt",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json",
                        "tokenizer.json");
    }

    @Test
    void aQuantisationChoosesAllItsPartsAndTheVisionTower() {
        String[] paths = {
            "README.md",
            "m-Q4_K_M.gguf",
            "m-Q8_0.gguf",
            "mmproj-F16.gguf",
            "mmproj-F32.gguf",
            "BF16/m-BF16-00001-of-00002.gguf",
            "BF16/m-BF16-00002-of-00002.gguf",
            "config.json"
        };
        assertThat(select("a/b:q4_k_m", paths)).containsExactly("README.md", "m-Q4_K_M.gguf", "mmproj-F16.gguf");
        assertThat(select("a/b:BF16", paths))
                .containsExactly(
                        "BF16/m-BF16-00001-of-00002.gguf",
                        "BF16/m-BF16-00002-of-00002.gguf",
                        "README.md",
                        "mmproj-F16.gguf",
                        "BF16/mmproj-F16.gguf");
        assertThat(select("a/b/BF16/m-BF16-00002-of-00002.gguf", paths)).isEqualTo(select("a/b:BF16", paths));
        assertThat(select("a/b/mmproj-F32.gguf", paths)).containsExactly("README.md", "mmproj-F32.gguf");
        assertThatThrownBy(() -> select("a/b", paths))
                .hasMessageContaining("3 GGUF models")
                .hasMessageContaining("a/b:BF16, a/b:Q4_K_M, a/b:Q8_0");
        assertThatThrownBy(() -> select("a/b:Q2_K", paths)).hasMessageContaining("a/b has no GGUF file in Q2_K");
        assertThatThrownBy(() -> select("a/b:Q8_0", "x-Q8_0-00001-of-00002.gguf"))
                .hasMessageContaining("only 1 of the 2 parts");
        assertThatThrownBy(() -> select("a/b", "pytorch_model.bin"))
                .hasMessageContaining("neither safetensors nor GGUF");
    }

    @Test
    void theEnvironmentSaysWhereThingsAre(@TempDir Path home) throws Exception {
        HubSettings plain = HubSettings.of(Map.of(), home, null);
        assertThat(plain.cache()).isEqualTo(home.resolve(".cache/huggingface/hub"));
        assertThat(plain.huggingFace()).hasToString("https://huggingface.co");
        assertThat(plain.token()).isNull();
        Files.createDirectories(home.resolve("hf"));
        Files.writeString(home.resolve("hf/token"), "hf_file\n");
        HubSettings moved =
                HubSettings.of(Map.of("HF_HOME", "~/hf", "HF_ENDPOINT", "https://mirror.example/"), home, null);
        assertThat(moved.cache()).isEqualTo(home.resolve("hf/hub"));
        assertThat(moved.token()).isEqualTo("hf_file");
        assertThat(moved.huggingFace()).hasToString("https://mirror.example");
        assertThat(moved.toString()).doesNotContain("hf_file");
        HubSettings all = HubSettings.of(
                Map.of("HF_HOME", "~/hf", "HF_HUB_CACHE", "/c", "HF_TOKEN", "hf_env", "HF_ENDPOINT", "https://x"),
                home,
                "http://192.0.2.7:8080");
        assertThat(all.cache()).isEqualTo(Path.of("/c"));
        assertThat(all.token()).isEqualTo("hf_env");
        assertThat(all.huggingFace()).hasToString("http://192.0.2.7:8080");
        assertThatThrownBy(() -> HubSettings.of(Map.of(), home, "ftp://x")).hasMessageContaining("not the address");
        assertThatThrownBy(() -> HubSettings.of(Map.of("HF_TOKEN", "a\nb"), home, null))
                .isInstanceOf(HubException.class)
                .message()
                .doesNotContain("a\nb");
    }
}
