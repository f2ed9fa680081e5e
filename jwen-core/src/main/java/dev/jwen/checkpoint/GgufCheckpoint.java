package dev.jwen.checkpoint;

import dev.jwen.checkpoint.Checkpoint.Conventions;
import dev.jwen.checkpoint.Checkpoint.DecayWeight;
import dev.jwen.checkpoint.Checkpoint.NormWeight;
import dev.jwen.checkpoint.Checkpoint.TokenizerSource;
import dev.jwen.checkpoint.Checkpoint.ValueHeadOrder;
import dev.jwen.checkpoint.ModelFiles.Shard;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Opens a GGUF file of the architectures qwen35 and qwen35moe, whole or split. */
final class GgufCheckpoint {
    private static final String WEIGHT = ".weight";
    private static final String SCALE = ".scale";
    private static final String INPUT_SCALE = ".input_scale";
    private static final Conventions CONVENTIONS =
            new Conventions(NormWeight.PLAIN, DecayWeight.NEGATED, ValueHeadOrder.TILED);

    private final Path path;
    private final Arena arena;
    private final List<String> problems = new ArrayList<>();

    private GgufCheckpoint(Path path, Arena arena) {
        this.path = path;
        this.arena = arena;
    }

    /**
     * Opens a model.
     *
     * @param path what the caller named
     * @param file the file, or any of the files it is split into
     */
    static Checkpoint open(Path path, Path file, Arena arena) {
        return new GgufCheckpoint(path, arena).read(file);
    }

    private Checkpoint read(Path file) {
        List<Gguf> parts = openParts(file);
        GgufMetadata metadata =
                new GgufMetadata(parts.getFirst().path(), parts.getFirst().metadata());
        GgufConfig words = new GgufConfig(metadata);
        Map<String, Tensor> tensors = rename(merge(parts), words.layers());
        Map<String, Object> config = words.config(tensors);
        // Converters leave the norm out where it repeats the one of the trunk.
        Tensor norm = tensors.get("norm.weight");
        if (norm != null && tensors.containsKey("mtp.fc.weight")) {
            tensors.putIfAbsent("mtp.norm.weight", norm);
        }
        MappedCheckpoint.reportUnknown(tensors.keySet(), problems);
        MtpLayer.keepOnlyIfWhole(tensors, config, problems);
        String template = metadata.string("tokenizer.chat_template");
        if (template == null) {
            problems.add("no chat template in the metadata");
        }
        boolean hasTokenizer = checkTokenizer(metadata, config);
        return new MappedCheckpoint(
                arena,
                path,
                "GGUF",
                CONVENTIONS,
                config,
                words.generationConfig(),
                template,
                () -> hasTokenizer ? tokenizer(metadata) : null,
                tensors,
                problems,
                parts.stream().mapToLong(Gguf::sizeBytes).sum());
    }

    private List<Gguf> openParts(Path file) {
        Gguf opened = Gguf.open(file, arena);
        GgufMetadata metadata = new GgufMetadata(file, opened.metadata());
        Long count = metadata.id("split.count");
        // Tools that join parts leave a count of 0.
        if (count == null || count <= 1) {
            return List.of(opened);
        }
        Shard shard = Shard.of(file);
        if (shard == null || shard.count() != count) {
            throw CheckpointException.in(
                    file,
                    "is one of %d parts, expected a name such as model-00001-of-%05d.gguf. Give the parts their names back.",
                    count,
                    count);
        }
        List<Gguf> parts = new ArrayList<>();
        for (int number = 1; number <= shard.count(); number++) {
            parts.add(number == shard.number() ? opened : openPart(file, shard, number));
            requireMatching(parts.getLast(), number, count);
        }
        requireAllTensors(parts);
        return parts;
    }

    private Gguf openPart(Path file, Shard shard, int number) {
        Path part = file.resolveSibling("%s-%05d-of-%05d.gguf".formatted(shard.stem(), number, shard.count()));
        if (!Files.exists(part)) {
            throw CheckpointException.in(
                    part, "part %d of %d is missing. Fetch it into the same directory.", number, shard.count());
        }
        return Gguf.open(part, arena);
    }

    private static void requireMatching(Gguf part, int number, long count) {
        Object no = part.metadata().get("split.no");
        Object of = part.metadata().get("split.count");
        if (!Long.valueOf(number - 1L).equals(no) || !Long.valueOf(count).equals(of)) {
            throw CheckpointException.in(
                    part.path(),
                    "says split.no %s of split.count %s, expected %d of %d. Fetch the parts again, all of one model.",
                    no,
                    of,
                    number - 1,
                    count);
        }
    }

    private static void requireAllTensors(List<Gguf> parts) {
        Object expected = parts.getFirst().metadata().get("split.tensors.count");
        long found = parts.stream().mapToLong(part -> part.tensors().size()).sum();
        if (expected != null && !Long.valueOf(found).equals(expected)) {
            throw CheckpointException.in(
                    parts.getFirst().path(),
                    "its parts hold %d tensors together, expected split.tensors.count %s. Fetch the parts again, all of one model.",
                    found,
                    expected);
        }
    }

    private static Map<String, Tensor> merge(List<Gguf> parts) {
        if (parts.size() == 1) {
            return parts.getFirst().tensors();
        }
        Map<String, Tensor> all = new LinkedHashMap<>();
        for (Gguf part : parts) {
            part.tensors().forEach((name, tensor) -> {
                if (all.put(name, tensor) != null) {
                    throw CheckpointException.in(
                            part.path(), "tensor '%s' is also in an earlier part. Fetch the parts again.", name);
                }
            });
        }
        return all;
    }

    private Map<String, Tensor> rename(Map<String, Tensor> stored, long layers) {
        Map<String, Tensor> tensors = LinkedHashMap.newLinkedHashMap(stored.size());
        stored.forEach((name, tensor) -> {
            if (isCompanion(name, stored.keySet())) {
                return;
            }
            String canonical = TensorNames.ofGguf(name, layers);
            Tensor squeezed = MappedCheckpoint.squeeze(canonical, tensor);
            Tensor scale = name.endsWith(WEIGHT) ? stored.get(stem(name, WEIGHT) + SCALE) : null;
            Tensor whole = scale == null ? squeezed : withScale(name, squeezed, scale);
            if (tensors.put(canonical, whole) != null) {
                throw CheckpointException.damaged(path, "two tensors are both '%s'", canonical);
            }
        });
        return tensors;
    }

    private static boolean isCompanion(String name, Set<String> stored) {
        String suffix = name.endsWith(INPUT_SCALE) ? INPUT_SCALE : SCALE;
        return name.endsWith(suffix) && stored.contains(stem(name, suffix) + WEIGHT);
    }

    private static String stem(String name, String suffix) {
        return name.substring(0, name.length() - suffix.length());
    }

    /** One factor for the whole matrix, or one for each expert of a stack. */
    private Tensor withScale(String name, Tensor tensor, Tensor scale) {
        boolean perExpert = tensor.rank() == 3 && scale.size() == tensor.dim(0);
        if (!MappedCheckpoint.isFactor(scale) || tensor.size() == 0 || !(perExpert || scale.size() == 1)) {
            throw CheckpointException.in(
                    path,
                    "the scale of tensor '%s' (%s) is %s, expected one F32 value per matrix. Convert the model again.",
                    name,
                    tensor,
                    scale);
        }
        long blockRows = scale.size() == 1 ? tensor.rows() : tensor.dim(1);
        return tensor.withScale(new Tensor.Scale(scale.view(scale.size(), 1), blockRows, tensor.columns()));
    }

    private boolean checkTokenizer(GgufMetadata metadata, Map<String, Object> config) {
        List<?> tokens = metadata.list("tokenizer.ggml.tokens");
        String model = metadata.string("tokenizer.ggml.model");
        if (tokens == null || !"gpt2".equals(model)) {
            problems.add("no byte-level BPE tokenizer in the metadata (tokenizer.ggml.model is %s)"
                    .formatted(CheckpointException.clean(String.valueOf(model))));
            return false;
        }
        if (config.get("vocab_size") instanceof Long rows && tokens.size() > rows) {
            problems.add("the tokenizer has %d tokens, but the embedding only %d rows".formatted(tokens.size(), rows));
        }
        return true;
    }

    private static TokenizerSource tokenizer(GgufMetadata metadata) {
        List<String> tokens = elements(metadata, "tokenizer.ggml.tokens", String.class);
        List<Integer> types = metadata.has("tokenizer.ggml.token_type")
                ? elements(metadata, "tokenizer.ggml.token_type", Long.class).stream()
                        .map(Long::intValue)
                        .toList()
                : Collections.nCopies(tokens.size(), 1);
        if (types.size() != tokens.size()) {
            throw CheckpointException.damaged(
                    metadata.path(), "has %d tokens but %d token types", tokens.size(), types.size());
        }
        String pattern = metadata.string("tokenizer.ggml.pre");
        return new TokenizerSource.Embedded(
                tokens,
                types,
                elements(metadata, "tokenizer.ggml.merges", String.class),
                pattern == null ? "default" : pattern);
    }

    /** A metadata list that outlives the mapping, as those of strings do. */
    @SuppressWarnings("unchecked") // all elements of a list are of one type
    private static <T> List<T> elements(GgufMetadata metadata, String key, Class<T> type) {
        List<?> list = metadata.list(key);
        if (list == null || (!list.isEmpty() && !type.isInstance(list.getFirst()))) {
            throw CheckpointException.in(
                    metadata.path(),
                    "%s is missing or not a list of %s. Convert the model again.",
                    key,
                    type == String.class ? "strings" : "numbers");
        }
        return (List<T>) list;
    }
}
