package dev.jwen.cli;

import dev.jwen.train.TrainedVocabulary;
import dev.jwen.train.VocabularyTrainer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Tokenizers of one's own. */
@Command(
        name = "tokenizer",
        description = "Makes the tokenizer of a new model.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = TokenizerCommand.Train.class,
        footer = {"", "Example:", "  jwen tokenizer train texts/*.txt -o my-model --vocabulary 2048"})
final class TokenizerCommand {
    private TokenizerCommand() {}

    /** A vocabulary from texts. */
    @Command(
            name = "train",
            description = "Makes a vocabulary from texts and writes tokenizer.json and tokenizer_config.json.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "The vocabulary holds the 256 bytes, so any text can be written, the 33 added tokens of Qwen 3.5,",
                "and what stands together most often in the texts.",
                "",
                "Examples:",
                "  jwen tokenizer train texts/*.txt -o my-model --vocabulary 2048",
                "  jwen tokenize -m my-model \"Hello, world\""
            })
    static final class Train implements Runnable {
        @Spec
        @Nullable
        CommandSpec spec;

        @Parameters(paramLabel = "FILE", arity = "1..*", description = "Texts in UTF-8.")
        List<Path> files = List.of();

        @Option(
                names = {"-o", "--output"},
                paramLabel = "DIR",
                required = true,
                description = "Where to write; the directory is made if it does not exist.")
        @Nullable
        Path output;

        @Option(
                names = "--vocabulary",
                paramLabel = "N",
                defaultValue = "2048",
                description = "Token ids in all (default: ${DEFAULT-VALUE}).")
        int vocabulary;

        @Override
        public void run() {
            if (vocabulary < VocabularyTrainer.SMALLEST) {
                throw new CommandException("--vocabulary is %d; the bytes and the added tokens alone are %d"
                        .formatted(vocabulary, VocabularyTrainer.SMALLEST));
            }
            PrintWriter err = Objects.requireNonNull(spec).commandLine().getErr();
            TrainedVocabulary trained = join(read(err), err);
            trained.write(Objects.requireNonNull(output));
            PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
            out.printf("%s: %d tokens%n", output, trained.size());
            if (trained.size() < vocabulary) {
                err.printf(
                        "jwen: no other pair occurs twice in the texts, so there are fewer tokens than %d%n",
                        vocabulary);
                err.flush();
            }
            out.flush();
        }

        private VocabularyTrainer read(PrintWriter err) {
            VocabularyTrainer trainer = new VocabularyTrainer();
            long bytes =
                    files.stream().mapToLong(file -> file.toFile().length()).sum();
            try (Progress progress = progress("Reading", bytes, Units::bytes, err)) {
                long done = 0;
                for (Path file : files) {
                    trainer.add(text(file));
                    progress.update(done += file.toFile().length());
                }
            }
            return trainer;
        }

        private TrainedVocabulary join(VocabularyTrainer trainer, PrintWriter err) {
            int pairs = vocabulary - VocabularyTrainer.SMALLEST;
            try (Progress progress = progress("Joining pairs", pairs, Long::toString, err)) {
                return trainer.train(vocabulary, progress::update);
            }
        }

        private static Progress progress(String label, long total, LongFunction<String> unit, PrintWriter err) {
            return new Progress(Streams.messages(), err, label, total, unit, System::nanoTime);
        }

        private static String text(Path file) {
            if (Files.isDirectory(file)) {
                throw new CommandException("%s is a directory; give the files in it".formatted(file));
            }
            try {
                byte[] bytes = Files.readAllBytes(file);
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(bytes))
                        .toString();
            } catch (CharacterCodingException e) {
                throw new CommandException("%s is not UTF-8 text; convert it first".formatted(file), e);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
