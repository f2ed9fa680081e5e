package dev.jwen.cli;

import dev.jwen.chat.PromptPiece;
import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.engine.Engine;
import dev.jwen.engine.Seen;
import dev.jwen.model.Batch;
import dev.jwen.model.ModelInput;
import dev.jwen.model.Qwen35;
import dev.jwen.model.State;
import dev.jwen.tensor.Tensor;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
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
        description = "Writes the logits of given tokens to a safetensors file.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The file holds one tensor, logits [tokens, vocabulary] in float32: row i is what the model expects after reading the tokens 0 to i. 'jwen compare' compares two such files.",
            "",
            "Examples:",
            "  jwen logits -m Qwen3.5-4B --ids 785,6722,315 -o here.safetensors",
            "  jwen logits -m Qwen3.5-4B --ids-file ids.json --exact -o here.safetensors",
            "  jwen logits -m Qwen3.5-4B --image cat.png --text \"<|vision_start|><|image_pad|><|vision_end|>A\" -o here.safetensors",
            "",
            "In a text, special tokens may be spelled. With --image and --video, tokens or text hold one placeholder for each of them, pictures and videos in the order of the command line, or ids one for each of their tokens."
        })
final class LogitsCommand implements Runnable {
    /** Rows of logits computed at once: a row of the published models takes a megabyte. */
    private static final int CHUNK = 64;

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

    @Option(names = "--text", paramLabel = "TEXT", description = "Text in place of token ids.")
    @Nullable
    String text;

    @Mixin
    MediaFlags media = new MediaFlags();

    @Mixin
    VisionFlags vision = new VisionFlags();

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "The safetensors file to write.")
    @Nullable
    Path output;

    @Override
    public void run() {
        int given = (ids.isEmpty() ? 0 : 1) + (idsFile == null ? 0 : 1) + (text == null ? 0 : 1);
        if (given != 1) {
            throw new CommandException(
                    "give the tokens as one of --ids 1,2,3, --ids-file FILE.json and --text \"text\"");
        }
        Output.checkWritable("-o", Objects.requireNonNull(output));
        if (text == null && media.isEmpty()) {
            // Token ids need neither tokenizer nor tower.
            try (ModelOptions.Network opened = options.openNetwork()) {
                write(opened.network(), opened.newState(), ModelInput.text(tokens()));
            }
            return;
        }
        try (Engine engine = options.open(vision)) {
            List<Seen> seen =
                    media.isEmpty() ? List.of() : engine.vision().see(media.parts(), vision.media(), progress());
            ModelInput input = text != null
                    ? engine.encode(List.of(new PromptPiece(text, true)), seen)
                    : engine.encode(tokens(), seen);
            write(engine.network(), engine.network().newState(engine.kvType()), input);
        }
    }

    private void write(Qwen35 network, State state, ModelInput input) {
        Path target = Objects.requireNonNull(output);
        Tensor all = Tensor.f32(input.length(), network.config().vocabSize());
        for (int from = 0; from < input.length(); from += CHUNK) {
            int to = Math.min(input.length(), from + CHUNK);
            Batch batch = new Batch();
            batch.add(state, input, from, to, Batch.Logits.ALL);
            all.rows(from, to - from).copyFrom(network.forward(batch));
        }
        SafetensorsWriter.write(target, Map.of("logits", all), Map.of("made_by", "jwen logits"));
        err().printf("logits of %s written to %s%n", Units.counted(input.length(), "token"), target);
    }

    private int[] tokens() {
        return idsFile == null ? ids.stream().mapToInt(Integer::intValue).toArray() : read(idsFile);
    }

    private PromptProgress progress() {
        return new PromptProgress(Streams.messages(), err());
    }

    private PrintWriter err() {
        return Objects.requireNonNull(spec).commandLine().getErr();
    }

    private static int[] read(Path file) {
        JsonNode root;
        try {
            root = JsonMapper.builder().build().readTree(Input.file(file));
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
