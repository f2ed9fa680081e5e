package dev.jwen.cli;

import dev.jwen.engine.Engine;
import dev.jwen.train.Perplexity;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Measures how well a model predicts a text. */
@Command(
        name = "perplexity",
        description = "Measures how well a model predicts a text file.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The text is read in windows of --context tokens (by default 2048) that begin --stride tokens after one another, with nothing before them. Every token but the first is scored once, in the first window that holds it. Perplexity is the exponential of the mean negative logarithm of their probabilities and depends on the vocabulary; bits per byte can be compared between models.",
            "",
            "Example:",
            "  jwen eval perplexity book.txt -m Qwen3.5-0.8B"
        })
final class PerplexityCommand implements Runnable {
    private static final int WINDOW = 2048;

    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions model = new ModelOptions();

    @Parameters(paramLabel = "FILE", description = "The text, UTF-8.")
    @Nullable
    Path file;

    @Option(
            names = "--stride",
            paramLabel = "TOKENS",
            description = "From one window to the next; by default half of --context.")
    @Nullable
    Integer stride;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    boolean json;

    @Override
    public void run() {
        Path source = Objects.requireNonNull(file);
        String text = text(source);
        try (Engine engine = model.open(new VisionFlags())) {
            int window = model.context == 0 ? Math.min(WINDOW, engine.contextTokens()) : model.context;
            int step = stride == null ? Math.max(1, window / 2) : stride;
            int[] ids = engine.tokenizer().encodeUntrusted(text);
            Perplexity result;
            try (Progress progress = new Progress(
                    Streams.messages(),
                    err(),
                    "scoring",
                    ids.length,
                    n -> "%,d tokens".formatted(n),
                    System::nanoTime)) {
                result = Perplexity.of(
                        engine.network(), engine.tokenizer(), engine.kvType(), ids, window, step, progress::update);
            }
            print(source, result, window, step);
        }
    }

    private void print(Path source, Perplexity result, int window, int step) {
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        if (json) {
            Map<String, Object> record = new LinkedHashMap<>();
            record.put("model", model.path().toString());
            record.put("file", source.toString());
            record.put("perplexity", result.perplexity());
            record.put("bits_per_byte", result.bitsPerByte());
            record.put("tokens", result.tokens());
            record.put("bytes", result.bytes());
            record.put("context", window);
            record.put("stride", step);
            Output.json(out, record);
            return;
        }
        out.printf(
                "perplexity %.4f, %.4f bits per byte%n%,d tokens and %,d bytes scored, windows of %,d tokens, stride %,d%n",
                result.perplexity(), result.bitsPerByte(), result.tokens(), result.bytes(), window, step);
        out.flush();
    }

    private static String text(Path file) {
        byte[] bytes = Input.bytes(file);
        if (bytes.length == 0) {
            throw new CommandException(file + " is empty; there is nothing to predict");
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(buffer).toString();
        } catch (CharacterCodingException e) {
            throw new CommandException(
                    "%s is not UTF-8 text: byte %,d starts no character; convert it first, for example with iconv"
                            .formatted(file, buffer.position() + 1),
                    e);
        }
    }

    private PrintWriter err() {
        return Objects.requireNonNull(spec).commandLine().getErr();
    }
}
