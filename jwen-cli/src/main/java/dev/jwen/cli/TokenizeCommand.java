package dev.jwen.cli;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.engine.Tokenizers;
import dev.jwen.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Text to token ids and back. */
@Command(
        name = "tokenize",
        description = "Turns text into token ids, or ids into text.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  jwen tokenize -m Qwen3.5-4B \"Hello, world\"",
            "  jwen tokenize -m Qwen3.5-4B --count < README.md",
            "  jwen tokenize -m Qwen3.5-4B --decode 9419,11,1814"
        })
final class TokenizeCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description =
                    "A directory with a tokenizer, a GGUF file, or the name of a pulled model." + Models.BY_DEFAULT)
    @Nullable
    String model;

    @Parameters(paramLabel = "TEXT", arity = "0..*", description = "The text; without it, standard input is read.")
    List<String> text = List.of();

    @Option(names = "--decode", paramLabel = "IDS", split = ",", description = "Print the text of these ids instead.")
    List<Integer> decode = List.of();

    @Option(names = "--no-special", description = "Take spellings like <|im_start|> as ordinary text.")
    boolean noSpecial;

    @Option(names = "--count", description = "Print only the number of tokens.")
    boolean count;

    @Option(names = "--json", description = "Print JSON: ids and the text of each.")
    boolean json;

    @Override
    public void run() {
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        Tokenizer tokenizer = open(Models.find(model, line));
        PrintWriter out = line.getOut();
        if (!decode.isEmpty()) {
            int[] ids = decode.stream().mapToInt(Integer::intValue).toArray();
            out.println(tokenizer.decode(ids));
        } else {
            String source = text.isEmpty() ? Input.standard() : String.join(" ", text);
            print(out, tokenizer, noSpecial ? tokenizer.encodeUntrusted(source) : tokenizer.encode(source));
        }
        out.flush();
    }

    private void print(PrintWriter out, Tokenizer tokenizer, int[] ids) {
        if (json) {
            List<Map<String, Object>> tokens = new ArrayList<>();
            for (int id : ids) {
                Map<String, Object> token = new LinkedHashMap<>();
                token.put("id", id);
                token.put("text", tokenizer.decode(new int[] {id}));
                tokens.add(token);
            }
            Output.json(out, Map.of("count", ids.length, "tokens", tokens));
        } else if (count) {
            out.println(ids.length);
        } else {
            for (int id : ids) {
                out.printf("%7d  %s%n", id, Input.visible(tokenizer.decode(new int[] {id})));
            }
            out.println(ids.length + (ids.length == 1 ? " token" : " tokens"));
        }
    }

    /** A tokenizer alone is enough: a directory needs no weights. */
    private static Tokenizer open(Path model) {
        if (java.nio.file.Files.isDirectory(model) && java.nio.file.Files.exists(model.resolve("tokenizer.json"))) {
            return Tokenizer.open(model);
        }
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            return Tokenizers.of(checkpoint);
        }
    }
}
