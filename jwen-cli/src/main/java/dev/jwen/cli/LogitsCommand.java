package dev.jwen.cli;

import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.model.Batch;
import dev.jwen.model.State;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Writes the logits of given tokens, for comparing implementations. */
@Command(
        name = "logits",
        description = "Writes the logits of given token ids to a safetensors file.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The file holds one tensor, logits [tokens, vocabulary] in float32: row i is what the model expects after",
            "reading the tokens 0 to i. 'jwen compare' compares two such files.",
            "",
            "Examples:",
            "  jwen logits -m Qwen3.5-4B --ids 785,6722,315 -o here.safetensors",
            "  jwen logits -m Qwen3.5-4B --ids-file ids.json --exact -o here.safetensors"
        })
final class LogitsCommand implements Runnable {
    /** Rows of logits computed at once: a row of the published models takes a megabyte. */
    private static final int CHUNK = 64;

    private static final JsonMapper JSON = JsonMapper.builder().build();

    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions options = new ModelOptions();

    @Option(names = "--ids", paramLabel = "IDS", split = ",", description = "Token ids, separated by commas.")
    List<Integer> ids = List.of();

    @Option(
            names = "--ids-file",
            paramLabel = "FILE",
            description = "A JSON file with a list of token ids, or an object with such a list under \"input_ids\".")
    @Nullable
    Path idsFile;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "The safetensors file to write.")
    @Nullable
    Path output;

    @Override
    public void run() {
        int[] tokens = tokens();
        Path target = Objects.requireNonNull(output);
        try (ModelOptions.Network opened = options.openNetwork()) {
            Tensor all = Tensor.f32(tokens.length, opened.network().config().vocabSize());
            State state = opened.newState();
            for (int from = 0; from < tokens.length; from += CHUNK) {
                int to = Math.min(tokens.length, from + CHUNK);
                Batch batch = new Batch();
                batch.add(state, Arrays.copyOfRange(tokens, from, to), Batch.Logits.ALL);
                all.rows(from, to - from).copyFrom(opened.network().forward(batch));
            }
            SafetensorsWriter.write(target, Map.of("logits", all), Map.of("made_by", "jwen logits"));
            Objects.requireNonNull(spec)
                    .commandLine()
                    .getErr()
                    .printf("logits of %d tokens written to %s%n", tokens.length, target);
        }
    }

    private int[] tokens() {
        if (ids.isEmpty() == (idsFile == null)) {
            throw new CommandException("give the tokens either as --ids 1,2,3 or as --ids-file FILE.json");
        }
        return idsFile == null ? ids.stream().mapToInt(Integer::intValue).toArray() : read(idsFile);
    }

    private static int[] read(Path file) {
        JsonNode root;
        try {
            root = JSON.readTree(Input.file(file));
        } catch (JacksonException e) {
            throw new CommandException(
                    "%s is not JSON: %s; expected a list of token ids".formatted(file, e.getOriginalMessage()), e);
        }
        JsonNode list = root.isObject() ? root.path("input_ids") : root;
        List<Integer> numbers = new ArrayList<>();
        for (JsonNode id : list) {
            if (!id.canConvertToInt()) {
                throw new CommandException("%s: %s is not a token id; expected whole numbers".formatted(file, id));
            }
            numbers.add(id.intValue());
        }
        if (!list.isArray() || numbers.isEmpty()) {
            throw new CommandException(
                    "%s holds no list of token ids; expected [1, 2, 3] or {\"input_ids\": [1, 2, 3]}".formatted(file));
        }
        return numbers.stream().mapToInt(Integer::intValue).toArray();
    }
}
