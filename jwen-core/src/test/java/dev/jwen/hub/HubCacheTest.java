package dev.jwen.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in a cache that pulls and other tools have filled. */
class HubCacheTest {
    private static final String FIRST = "1".repeat(40);
    private static final String SECOND = "2".repeat(40);

    @TempDir
    Path cache;

    /** Puts files with these contents into the cache as a pull does. */
    private void publish(String name, String commit, boolean links, String... pathsAndContents) throws IOException {
        CachedRepo repo = new CachedRepo(cache, ModelName.of(name), links);
        repo.create();
        List<RemoteFile> files = new ArrayList<>();
        for (int i = 0; i < pathsAndContents.length; i += 2) {
            byte[] bytes = pathsAndContents[i + 1].getBytes(StandardCharsets.UTF_8);
            String hash = HubServer.sha256(bytes);
            Files.write(repo.blobs().resolve(hash), bytes);
            files.add(new RemoteFile(pathsAndContents[i], bytes.length, hash));
        }
        repo.publish(commit, files);
    }

    private HubCache cache() {
        return new HubCache(cache);
    }

    private Path snapshot(String folder, String commit) {
        return cache.resolve(folder).resolve("snapshots").resolve(commit);
    }

    @Test
    void namesFindWhatTheyChoose() throws IOException {
        publish("a/st", FIRST, true, "config.json", "{}", "model.safetensors", "weights");
        publish("a/one", FIRST, true, "m-Q4_0.gguf", "x", "mmproj-F16.gguf", "y");
        publish(
                "a/many",
                FIRST,
                true,
                "m-Q4_0.gguf",
                "x",
                "m-Q8_0-00001-of-00002.gguf",
                "y",
                "m-Q8_0-00002-of-00002.gguf",
                "z");
        assertThat(cache().find(ModelName.of("a/st"))).isEqualTo(snapshot("models--a--st", FIRST));
        assertThat(cache().find(ModelName.of("a/one")))
                .isEqualTo(snapshot("models--a--one", FIRST).resolve("m-Q4_0.gguf"));
        assertThat(cache().find(ModelName.of("a/many:q8_0")))
                .isEqualTo(snapshot("models--a--many", FIRST).resolve("m-Q8_0-00001-of-00002.gguf"));
        assertThat(cache().find(ModelName.of("a/many/m-Q4_0.gguf"))).hasContent("x");
        assertThatThrownBy(() -> cache().find(ModelName.of("a/many")))
                .hasMessageContaining("Name one of them: a/many:Q4_0, a/many:Q8_0");
        assertThatThrownBy(() -> cache().find(ModelName.of("a/many:Q2_K")))
                .hasMessageContaining("jwen pull a/many:Q2_K");
        assertThatThrownBy(() -> cache().find(ModelName.of("a/none"))).hasMessageContaining("jwen pull a/none");
    }

    @Test
    void revisionsStandBesideEachOther() throws IOException {
        publish("a/b@v1", FIRST, true, "model.safetensors", "old", "config.json", "same");
        assertThatThrownBy(() -> cache().find(ModelName.of("a/b"))).hasMessageContaining("but as a/b@v1");
        publish("a/b", SECOND, true, "model.safetensors", "newer", "config.json", "same");
        assertThat(cache().find(ModelName.of("a/b"))).isEqualTo(snapshot("models--a--b", SECOND));
        assertThat(cache().find(ModelName.of("a/b@v1"))).isEqualTo(snapshot("models--a--b", FIRST));
        assertThat(cache().find(ModelName.of("a/b@1111111"))).isEqualTo(snapshot("models--a--b", FIRST));
        assertThat(cache().list()).extracting(model -> model.name().toString()).containsExactly("a/b@v1", "a/b");
    }

    @Test
    void removingARevisionKeepsWhatAnotherUses() throws IOException {
        publish("a/b@v1", FIRST, true, "model.safetensors", "old", "config.json", "same");
        publish("a/b", SECOND, true, "model.safetensors", "newer", "config.json", "same");
        HubCache.Removal removed = cache().remove(ModelName.of("a/b@v1"));
        assertThat(removed.freedBytes()).isEqualTo(3);
        assertThat(removed.commits()).containsExactly(FIRST);
        assertThat(cache.resolve("models--a--b/refs/v1")).doesNotExist();
        assertThat(snapshot("models--a--b", FIRST)).doesNotExist();
        assertThat(snapshot("models--a--b", SECOND).resolve("config.json")).hasContent("same");
        assertThat(cache().remove(ModelName.of("a/b")).freedBytes()).isEqualTo(9);
        assertThat(cache.resolve("models--a--b")).doesNotExist();
        assertThatThrownBy(() -> cache().remove(ModelName.of("a/b"))).hasMessageContaining("nothing to remove");
    }

    @Test
    void removingOneQuantisationKeepsTheOthers() throws IOException {
        publish("a/b", FIRST, true, "m-Q4_0.gguf", "four", "mmproj-F16.gguf", "tower");
        publish("a/b", FIRST, true, "m-Q8_0.gguf", "eight", "mmproj-F16.gguf", "tower");
        assertThat(cache().list()).extracting(CachedModel::sizeBytes).containsExactly(9L, 10L);
        assertThat(cache().remove(ModelName.of("a/b:Q4_0")).freedBytes()).isEqualTo(4);
        Path left = cache().find(ModelName.of("a/b"));
        assertThat(left).hasContent("eight");
        assertThat(left.resolveSibling("mmproj-F16.gguf")).hasContent("tower");
        assertThat(cache().remove(ModelName.of("a/b:Q8_0")).freedBytes()).isEqualTo(10);
        assertThat(cache.resolve("models--a--b")).doesNotExist();
    }

    @Test
    void removingFollowsNoLinkOutOfTheModel() throws IOException {
        Path foreign = Files.writeString(cache.resolve("foreign"), "mine");
        publish("a/b", FIRST, true, "model.safetensors", "w");
        Files.createSymbolicLink(snapshot("models--a--b", FIRST).resolve("x.json"), foreign);
        cache().remove(ModelName.of("a/b"));
        assertThat(foreign).hasContent("mine");
        assertThat(cache.resolve("models--a--b")).doesNotExist();
    }

    @Test
    void withoutLinksTheFilesThemselvesStandInTheSnapshot() throws IOException {
        publish("a/b", FIRST, false, "BF16/m-BF16.gguf", "w", "mmproj-F16.gguf", "t", "BF16/mmproj-F16.gguf", "t");
        Path model = cache().find(ModelName.of("a/b"));
        assertThat(model).hasContent("w");
        assertThat(Files.isSymbolicLink(model)).isFalse();
        assertThat(model.resolveSibling("mmproj-F16.gguf")).hasContent("t");
        CachedRepo repo = new CachedRepo(cache, ModelName.of("a/b"), false);
        assertThat(repo.has(FIRST, new RemoteFile("BF16/m-BF16.gguf", 1, "a".repeat(64))))
                .isTrue();
        assertThat(cache().remove(ModelName.of("a/b")).freedBytes()).isEqualTo(3);
    }

    @Test
    void whatOtherToolsLeftIsListedAsItIs() throws IOException {
        publish(
                "a/st",
                FIRST,
                true,
                "config.json",
                "{\"text_config\":{\"dtype\":\"bfloat16\"}}",
                "model.safetensors",
                "w");
        publish(
                "b/fp8",
                FIRST,
                true,
                "config.json",
                "{\"dtype\":\"bfloat16\",\"quantization_config\":{\"quant_method\":\"fp8\"}}",
                "model.safetensors",
                "w");
        publish("c/broken", FIRST, true, "config.json", "{", "model.safetensors", "w");
        publish("d/bin", FIRST, true, "pytorch_model.bin", "w");
        Files.createDirectories(cache.resolve("datasets--x--y/snapshots"));
        Files.createDirectories(cache.resolve("models--odd"));
        Files.writeString(cache.resolve("version.txt"), "1");
        // A link whose blob is gone.
        Files.createSymbolicLink(snapshot("models--a--st", FIRST).resolve("gone.json"), Path.of("../../blobs/none"));
        assertThat(cache().list())
                .extracting(model -> model.name() + " " + model.format() + " " + model.type())
                .containsExactly(
                        "a/st safetensors bfloat16",
                        "b/fp8 safetensors fp8",
                        "c/broken safetensors unknown: config.json is broken",
                        "d/bin other ");
        assertThatThrownBy(() -> cache().find(ModelName.of("d/bin"))).hasMessageContaining("without weights");
        assertThat(new HubCache(cache.resolve("nowhere")).list()).isEmpty();
    }
}
