package dev.jwen.cli;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.model.Config;
import dev.jwen.model.ParameterCount;
import dev.jwen.model.Qwen35;
import dev.jwen.model.VisionConfig;
import dev.jwen.model.VisionTower;
import dev.jwen.model.Weights;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what a model file is, without computing anything. */
@Command(
        name = "inspect",
        description = "Says what a model is: sizes, types, parameters, memory, problems.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  jwen inspect Qwen3.5-4B",
            "  jwen inspect --context 32768 qwen3.5-4b-q4_k_m.gguf",
            "  jwen inspect --tensors --json model.gguf | jq '.tensors[].type'"
        })
final class InspectCommand implements Runnable {
    private static final int USUAL_CONTEXT = 32_768;

    @Spec
    @Nullable
    CommandSpec spec;

    @Parameters(paramLabel = "MODEL", arity = "0..1", description = Models.DESCRIPTION)
    @Nullable
    String positional;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "The same.")
    @Nullable
    String option;

    @Option(
            names = {"-c", "--context"},
            paramLabel = "TOKENS",
            description =
                    "Conversation length for which memory is stated; by default 32768, or the model's own if that is shorter.")
    @Nullable
    Integer context;

    @Option(
            names = "--mmproj",
            paramLabel = "FILE",
            description = "The GGUF file with the vision tower; by default the one beside the model.")
    @Nullable
    Path mmproj;

    @Option(names = "--tensors", description = "List every tensor.")
    boolean tensors;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public void run() {
        String model = positional != null ? positional : option;
        if (context != null && context < 1) {
            throw new CommandException("--context must be a positive number of tokens, found " + context);
        }
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        Path path = Models.find(model, line);
        if (json) {
            printJson(line.getOut(), path, Map.of());
        } else {
            print(line.getOut(), path);
        }
    }

    /** Prints the facts of a model after {@code first}. */
    void printJson(PrintWriter out, Path model, Map<String, Object> first) {
        look(model, (checkpoint, config, tower, coarseCopy, problems) -> {
            Map<String, Object> facts = new LinkedHashMap<>(first);
            facts(checkpoint, config, tower, coarseCopy, problems).forEach(facts::putIfAbsent);
            Output.json(out, facts);
        });
    }

    /** Prints what a model is, for people. */
    void print(PrintWriter out, Path model) {
        look(
                model,
                (checkpoint, config, tower, coarseCopy, problems) ->
                        print(out, checkpoint, config, tower, coarseCopy, problems));
    }

    /** Takes what was found in a model. */
    private interface Findings {
        void take(Checkpoint checkpoint, Config config, @Nullable Tower tower, long coarseCopy, List<String> problems);
    }

    private void look(Path model, Findings findings) {
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            Config config = Config.of(checkpoint);
            List<String> problems = new ArrayList<>(checkpoint.problems());
            long coarseCopy = 0;
            try (Kernels kernels = Backends.open(null, 1)) {
                coarseCopy = Qwen35.coarseCopyBytes(Weights.of(checkpoint, config), kernels);
            } catch (CheckpointException e) {
                problems.add(String.valueOf(e.getMessage()));
            }
            findings.take(checkpoint, config, tower(checkpoint, config, problems), coarseCopy, problems);
        }
    }

    /** The vision side of a model. */
    private record Tower(
            String path, String format, VisionConfig config, long parameters, long sizeBytes, String types) {}

    /** The tower that pictures would go through, or null if there is none or it cannot be used. */
    private @Nullable Tower tower(Checkpoint checkpoint, Config config, List<String> problems) {
        try (VisionFiles files = VisionFiles.of(checkpoint, mmproj)) {
            if (files == null) {
                return null;
            }
            VisionConfig vision = VisionConfig.of(files);
            VisionTower.requireFitting(files, vision, config);
            long parameters = 0;
            Set<String> types = new TreeSet<>();
            for (String name : files.names()) {
                parameters += files.tensor(name).size();
                types.add(files.tensor(name).type().name());
            }
            return new Tower(
                    files.path().toString(),
                    files.format(),
                    vision,
                    parameters,
                    files.sizeBytes(),
                    String.join(", ", types));
        } catch (CheckpointException e) {
            problems.add("vision: " + e.getMessage());
            return null;
        }
    }

    private int context(Config config) {
        return context != null ? context : Math.min(USUAL_CONTEXT, config.maxPositionEmbeddings());
    }

    private Map<String, Object> facts(
            Checkpoint checkpoint, Config config, @Nullable Tower tower, long coarseCopy, List<String> problems) {
        ParameterCount count = ParameterCount.of(checkpoint, config);
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("path", checkpoint.path().toString());
        facts.put("format", checkpoint.format());
        facts.put("model_type", checkpoint.config().get("model_type"));
        facts.put("size_bytes", checkpoint.sizeBytes());
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("text", count.text());
        parameters.put("trunk", count.trunk());
        parameters.put("active_trunk", count.activeTrunk());
        parameters.put("embedding", count.embedding());
        parameters.put("vision", count.vision());
        parameters.put("mtp", count.mtp());
        parameters.put("total", count.total());
        facts.put("parameters", parameters);
        facts.put("types", types(checkpoint));
        facts.put("config", checkpoint.config());
        Map<String, Object> memory = new LinkedHashMap<>();
        int tokens = context(config);
        memory.put("context_tokens", tokens);
        memory.put("weights_bytes", textBytes(checkpoint));
        memory.put("kv_bytes_per_token", config.kvBytesPerToken(2));
        memory.put("kv_bytes", config.kvBytesPerToken(2) * tokens);
        memory.put("state_bytes", config.stateBytes());
        memory.put("coarse_output_bytes", coarseCopy);
        facts.put("memory", memory);
        if (tower != null) {
            Map<String, Object> vision = new LinkedHashMap<>();
            vision.put("path", tower.path);
            vision.put("format", tower.format);
            vision.put("parameters", tower.parameters);
            vision.put("size_bytes", tower.sizeBytes);
            vision.put("depth", tower.config.depth());
            vision.put("hidden_size", tower.config.hiddenSize());
            vision.put("num_heads", tower.config.numHeads());
            vision.put("intermediate_size", tower.config.intermediateSize());
            vision.put("out_hidden_size", tower.config.outHiddenSize());
            facts.put("vision", vision);
        }
        facts.put("tokenizer", checkpoint.tokenizerSource() != null);
        facts.put("chat_template", checkpoint.chatTemplate() != null);
        facts.put("problems", problems);
        if (tensors) {
            facts.put("tensors", tensorList(checkpoint));
        }
        return facts;
    }

    private void print(
            PrintWriter out,
            Checkpoint checkpoint,
            Config config,
            @Nullable Tower tower,
            long coarseCopy,
            List<String> problems) {
        ParameterCount count = ParameterCount.of(checkpoint, config);
        row(out, "model", checkpoint.path().toString());
        row(out, "format", "%s, %s".formatted(checkpoint.format(), Units.bytes(checkpoint.sizeBytes())));
        row(
                out,
                "network",
                "%s, %d layers (%d gated delta net, %d attention), hidden %,d"
                        .formatted(
                                checkpoint.config().get("model_type"),
                                config.numHiddenLayers(),
                                config.numHiddenLayers() - config.fullAttentionLayers(),
                                config.fullAttentionLayers(),
                                config.hiddenSize()));
        row(
                out,
                "heads",
                "%d query, %d key/value of %d; delta net %d key, %d value of %d"
                        .formatted(
                                config.numAttentionHeads(),
                                config.numKeyValueHeads(),
                                config.headDim(),
                                config.linearNumKeyHeads(),
                                config.linearNumValueHeads(),
                                config.linearValueHeadDim()));
        if (config.isMoe()) {
            row(
                    out,
                    "experts",
                    "%d, %d for each token, width %,d; shared width %,d"
                            .formatted(
                                    config.numExperts(),
                                    config.numExpertsPerTok(),
                                    config.moeIntermediateSize(),
                                    config.sharedExpertIntermediateSize()));
        } else {
            row(out, "feed-forward", "width %,d".formatted(config.intermediateSize()));
        }
        row(
                out,
                "vocabulary",
                "%,d rows, output matrix %s"
                        .formatted(config.vocabSize(), checkpoint.has("lm_head.weight") ? "its own" : "tied"));
        row(out, "context", "%,d tokens".formatted(config.maxPositionEmbeddings()));
        row(
                out,
                "parameters",
                "%,d text (%,d trunk%s, %,d embedding)"
                        .formatted(
                                count.text(),
                                count.trunk(),
                                config.isMoe() ? ", %,d of them active".formatted(count.activeTrunk()) : "",
                                count.embedding()));
        if (count.vision() + count.mtp() > 0) {
            row(out, "", "%,d vision, %,d MTP head, %,d in all".formatted(count.vision(), count.mtp(), count.total()));
        }
        printTower(out, checkpoint, tower);
        types(checkpoint).forEach((type, bytes) -> row(out, "stored as " + type, Units.bytes(bytes)));
        row(
                out,
                "memory",
                "%s weights, mapped; at %,d tokens %s KV cache, %s recurrent state"
                        .formatted(
                                Units.bytes(textBytes(checkpoint)),
                                context(config),
                                Units.bytes(config.kvBytesPerToken(2) * context(config)),
                                Units.bytes(config.stateBytes())));
        if (coarseCopy > 0) {
            row(
                    out,
                    "",
                    "%s coarse copy of the output matrix, unless --full-logits".formatted(Units.bytes(coarseCopy)));
        }
        row(out, "tokenizer", checkpoint.tokenizerSource() == null ? "none" : "yes");
        row(out, "chat template", checkpoint.chatTemplate() == null ? "none" : "yes");
        row(out, "problems", problems.isEmpty() ? "none found" : problems.getFirst());
        problems.stream().skip(1).forEach(p -> row(out, "", p));
        if (tensors) {
            out.println();
            for (String name : checkpoint.names()) {
                Tensor tensor = checkpoint.tensor(name);
                out.printf("%-64s %s%n", name, tensor);
            }
        }
        out.flush();
    }

    private static void printTower(PrintWriter out, Checkpoint checkpoint, @Nullable Tower tower) {
        if (tower == null) {
            row(out, "vision", "none: it reads text only");
            return;
        }
        VisionConfig config = tower.config;
        row(
                out,
                "vision",
                "%d blocks, hidden %,d, %d heads of %d, width %,d; %,d parameters, %s in %s"
                        .formatted(
                                config.depth(),
                                config.hiddenSize(),
                                config.numHeads(),
                                config.headDim(),
                                config.intermediateSize(),
                                tower.parameters,
                                Units.bytes(tower.sizeBytes),
                                tower.types));
        if (!tower.path.equals(checkpoint.path().toString())) {
            row(out, "", tower.path);
        }
    }

    static void row(PrintWriter out, String name, String value) {
        out.printf("%-20s %s%n", name, value);
    }

    /** Bytes by stored type, largest first. */
    private static Map<String, Long> types(Checkpoint checkpoint) {
        Map<DataType, Long> bytes = new TreeMap<>();
        for (String name : checkpoint.names()) {
            Tensor tensor = checkpoint.tensor(name);
            bytes.merge(tensor.type(), tensor.sizeBytes(), Long::sum);
        }
        Map<String, Long> sorted = new LinkedHashMap<>();
        bytes.entrySet().stream()
                .sorted(Map.Entry.<DataType, Long>comparingByValue().reversed())
                .forEach(e -> sorted.put(e.getKey().name(), e.getValue()));
        return sorted;
    }

    private static long textBytes(Checkpoint checkpoint) {
        return checkpoint.names().stream()
                .filter(n -> !n.startsWith("visual.") && !n.startsWith("mtp."))
                .mapToLong(n -> checkpoint.tensor(n).sizeBytes())
                .sum();
    }

    private static List<Map<String, Object>> tensorList(Checkpoint checkpoint) {
        List<Map<String, Object>> list = new ArrayList<>();
        for (String name : checkpoint.names()) {
            Tensor tensor = checkpoint.tensor(name);
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", name);
            entry.put("type", tensor.type().name());
            entry.put("shape", tensor.shape());
            entry.put("bytes", tensor.sizeBytes());
            list.add(entry);
        }
        return list;
    }
}
