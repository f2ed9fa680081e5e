package dev.jwen.checkpoint;

import dev.jwen.checkpoint.Checkpoint.Conventions;
import dev.jwen.checkpoint.Checkpoint.DecayWeight;
import dev.jwen.checkpoint.Checkpoint.NormWeight;
import dev.jwen.checkpoint.Checkpoint.TokenizerSource;
import dev.jwen.checkpoint.Checkpoint.ValueHeadOrder;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Opens the published layout: config.json and tokenizer files beside one or several safetensors files. */
final class SafetensorsCheckpoint {
    private static final String SCALE_SUFFIX = "_scale_inv";
    /** Fixed factors for activations, which are computed anew here. */
    private static final String ACTIVATION_SCALE_SUFFIX = ".input_scale";

    private final Path path;
    private final Path directory;
    private final Arena arena;
    private final Map<String, Object> config;
    private final List<String> problems = new ArrayList<>();
    private long sizeBytes;

    private SafetensorsCheckpoint(Path path, Path directory, Arena arena) {
        this.path = path;
        this.directory = directory;
        this.arena = arena;
        this.config = ModelConfig.read(directory);
    }

    /**
     * Opens a directory or one file in it.
     *
     * @param file the only weights, or null to find them in the directory
     */
    static Checkpoint open(Path path, Path directory, @Nullable Path file, Arena arena) {
        return new SafetensorsCheckpoint(path, directory, arena).read(file);
    }

    private Checkpoint read(@Nullable Path file) {
        Map<String, Tensor> stored = file == null ? readDirectory() : readFile(file);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        NormWeight norms = null;
        for (Map.Entry<String, Tensor> entry : stored.entrySet()) {
            if (isCompanion(entry.getKey(), stored.keySet())) {
                continue;
            }
            String name = TensorNames.ofSafetensors(entry.getKey());
            if (name.endsWith("linear_attn.conv1d.weight")) {
                norms = sameAs(norms, normsBesideConvolution(entry.getValue()), name);
            }
            Tensor tensor = MappedCheckpoint.squeeze(name, entry.getValue());
            Tensor factors = stored.get(entry.getKey() + SCALE_SUFFIX);
            if (tensors.put(name, withScale(entry.getKey(), tensor, factors)) != null) {
                throw CheckpointException.in(
                        path,
                        "two tensors are both '%s' once their prefixes are removed. Remove the weights of the other model.",
                        name);
            }
        }
        MappedCheckpoint.reportUnknown(tensors.keySet(), problems);
        MtpLayer.keepOnlyIfWhole(tensors, config, problems);
        return checkpoint(tensors, norms == null ? NormWeight.ZERO_CENTRED : norms);
    }

    private Checkpoint checkpoint(Map<String, Tensor> tensors, NormWeight norms) {
        Path generation = directory.resolve("generation_config.json");
        boolean hasGeneration = Files.exists(generation);
        Map<String, Object> generationConfig = hasGeneration ? Json.object(generation) : Map.of();
        String template = chatTemplate();
        TokenizerSource tokenizer = tokenizer();
        reportAbsent(hasGeneration, "no generation_config.json: sampling settings are defaults");
        reportAbsent(
                template != null, "no chat template: neither chat_template.jinja nor one in tokenizer_config.json");
        reportAbsent(tokenizer != null, "no tokenizer: neither tokenizer.json nor vocab.json and merges.txt");
        reportAbsent(
                !config.containsKey("vision_config")
                        || tensors.keySet().stream().anyMatch(name -> name.startsWith("visual.")),
                "the configuration announces a vision tower, but the files hold none of its tensors");
        return new MappedCheckpoint(
                arena,
                path,
                "safetensors",
                new Conventions(norms, DecayWeight.LOG, ValueHeadOrder.GROUPED),
                config,
                generationConfig,
                template,
                () -> tokenizer,
                tensors,
                problems,
                sizeBytes);
    }

    private void reportAbsent(boolean present, String problem) {
        if (!present) {
            problems.add(problem);
        }
    }

    private Map<String, Tensor> readFile(Path file) {
        Safetensors opened = Safetensors.open(file, arena);
        sizeBytes += opened.sizeBytes();
        return opened.tensors();
    }

    private Map<String, Tensor> readDirectory() {
        Path single = directory.resolve("model.safetensors");
        Path index = ModelFiles.index(directory);
        if (Files.exists(single) || index == null) {
            return readFile(Files.exists(single) ? single : ModelFiles.onlySafetensors(directory));
        }
        Map<String, Set<String>> shards = ShardIndex.read(index);
        Map<String, Tensor> all = new LinkedHashMap<>();
        shards.forEach((shard, names) -> {
            Map<String, Tensor> tensors = readFile(directory.resolve(shard));
            for (String name : names) {
                Tensor tensor = tensors.get(name);
                if (tensor == null) {
                    throw CheckpointException.in(
                            index,
                            "places tensor '%s' in %s, which does not have it. Fetch both files again.",
                            name,
                            shard);
                }
                all.put(name, tensor);
            }
            reportAbsent(
                    tensors.size() == names.size(),
                    "%s holds %d tensors that the index does not list; they are not used"
                            .formatted(shard, tensors.size() - names.size()));
        });
        return all;
    }

    private static boolean isCompanion(String name, Set<String> stored) {
        return name.endsWith(ACTIVATION_SCALE_SUFFIX)
                || (name.endsWith(SCALE_SUFFIX)
                        && stored.contains(name.substring(0, name.length() - SCALE_SUFFIX.length())));
    }

    private Tensor withScale(String name, Tensor tensor, @Nullable Tensor factors) {
        if (factors == null) {
            if (tensor.type() == DataType.F8_E4M3) {
                throw CheckpointException.in(
                        path,
                        "tensor '%s' is FP8 but '%s' is missing. Fetch the files again, or use the BF16 release.",
                        name,
                        name + SCALE_SUFFIX);
            }
            return tensor;
        }
        long[] block = factors.size() == 1
                ? new long[] {Math.max(1, tensor.rows()), Math.max(1, tensor.columns())}
                : ModelConfig.weightBlockSize(config, path);
        // Blocks may not straddle the matrices of a stack, where rows are counted through.
        boolean wholeBlocks = factors.size() == 1 || tensor.rank() < 3 || tensor.dim(tensor.rank() - 2) % block[0] == 0;
        long scaleRows = Math.ceilDiv(tensor.rows(), block[0]);
        long scaleColumns = Math.ceilDiv(tensor.columns(), block[1]);
        boolean fits = factors.rows() == scaleRows && factors.columns() == scaleColumns;
        if (!wholeBlocks || !MappedCheckpoint.isFactor(factors) || !(fits || factors.size() == 1)) {
            throw CheckpointException.in(
                    path,
                    "tensor '%s' (%s) has the scales %s, expected BF16 or F32 [%d, %d] for blocks of %d x %d. Fetch the files again, or use the BF16 release.",
                    name,
                    tensor,
                    factors,
                    scaleRows,
                    scaleColumns,
                    block[0],
                    block[1]);
        }
        return tensor.withScale(new Tensor.Scale(factors, block[0], block[1]));
    }

    /** MLX conversions move the taps of the convolution to the middle and add 1 to the norms in the same step. */
    private NormWeight normsBesideConvolution(Tensor convolution) {
        boolean mlx = convolution.rank() == 3 && convolution.dim(2) == 1 && convolution.dim(1) > 1;
        return mlx ? NormWeight.PLAIN : NormWeight.ZERO_CENTRED;
    }

    private NormWeight sameAs(@Nullable NormWeight before, NormWeight now, String name) {
        if (before != null && before != now) {
            throw CheckpointException.in(
                    path,
                    "tensor '%s' is laid out unlike the layers before it, so it is unclear how norms are stored. Use an unmixed release.",
                    name);
        }
        return now;
    }

    private @Nullable String chatTemplate() {
        Path own = directory.resolve("chat_template.jinja");
        if (Files.exists(own)) {
            return ModelFiles.text(own);
        }
        Path tokenizerConfig = directory.resolve("tokenizer_config.json");
        if (!Files.exists(tokenizerConfig)) {
            return null;
        }
        Object template = Json.object(tokenizerConfig).get("chat_template");
        if (template instanceof List<?> named) {
            return defaultTemplate(named);
        }
        return template instanceof String text ? text : null;
    }

    private static @Nullable String defaultTemplate(List<?> named) {
        for (Object entry : named) {
            if (entry instanceof Map<?, ?> map
                    && "default".equals(map.get("name"))
                    && map.get("template") instanceof String template) {
                return template;
            }
        }
        return null;
    }

    private @Nullable TokenizerSource tokenizer() {
        boolean whole = Files.exists(directory.resolve("tokenizer.json"));
        boolean parts = Files.exists(directory.resolve("vocab.json")) && Files.exists(directory.resolve("merges.txt"));
        return whole || parts ? new TokenizerSource.Directory(directory) : null;
    }
}
