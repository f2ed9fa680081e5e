package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class CommandsTest {
    private static final Path GOLDEN = Path.of("../jwen-core/src/test/resources/golden");
    private static final String DENSE =
            GOLDEN.resolve("dense-text/checkpoint-bf16-sharded").toString();
    private static final String QUANTISED =
            GOLDEN.resolve("dense-256/dense-256-Q4_K_M.gguf").toString();
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @TempDir
    Path directory;

    /** What a command printed and how it ended. */
    private record Outcome(int exit, String out, String err) {
        JsonNode json() {
            return JSON.readTree(out);
        }
    }

    private static Outcome jwen(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int exit = Main.commandLine(arguments)
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(arguments);
        return new Outcome(exit, out.toString(), err.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "chat",
                "run",
                "inspect",
                "tokenize",
                "tokenizer",
                "logits",
                "compare",
                "bench",
                "eval",
                "pull",
                "list",
                "show",
                "rm"
            })
    void everyCommandTeachesItselfWithAnExample(String command) {
        Outcome outcome = jwen(command, "--help");
        assertThat(outcome.exit).isZero();
        assertThat(outcome.out).contains("Usage: jwen " + command).contains("Example");
        assertThat(jwen("--help").out).contains("  " + command);
    }

    @Test
    void theRehearsalForTheCacheOfClassesRunsAndIsNotForUsers() {
        Outcome outcome = jwen("rehearse");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out + outcome.err).isEmpty();
        assertThat(jwen("--help").out).doesNotContain("rehearse");
    }

    /** The JVM makes no cache, and every start takes twice as long, once such a class was there. */
    @Test
    void theRehearsalLoadsNoClassOfTheVectorApi(@TempDir Path folder) throws Exception {
        Path loaded = folder.resolve("loaded");
        Process rehearsal = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "--add-exports=java.base/jdk.internal.module=ALL-UNNAMED",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xlog:class+load:file=" + loaded,
                        Main.class.getName(),
                        "rehearse")
                .redirectInput(Files.createFile(folder.resolve("empty")).toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(rehearsal.waitFor()).isZero();
        assertThat(Files.readAllLines(loaded))
                .anyMatch(line -> line.contains("dev.jwen.kernel.PlainKernels "))
                .noneMatch(line -> line.contains("jdk.incubator.vector"));
    }

    @Test
    void runContinuesPlainTextTheSameWayForTheSameSeed() {
        String[] arguments = {"run", "-m", DENSE, "--raw", "-n", "12", "--seed", "3", "--json", "hello"};
        Outcome outcome = jwen(arguments);
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.json().get("content").asString()).isNotEmpty();
        assertThat(outcome.json().get("completion_tokens").asInt()).isBetween(1, 12);
        assertThat(jwen(arguments).json().get("content"))
                .isEqualTo(outcome.json().get("content"));
    }

    @Test
    void optionsThatDoNotFitAreRefusedBeforeAnythingIsMeasured() {
        for (String threads : new String[] {"0", "-1", "1025"}) {
            Outcome outcome = jwen("run", "-m", DENSE, "--threads", threads, "hello");
            assertThat(outcome.exit).isNotZero();
            assertThat(outcome.err).contains("--threads must be between 1 and 1024, found " + threads);
        }
        Outcome both = jwen("bench", "--kernels", "-m", DENSE);
        assertThat(both.exit).isNotZero();
        assertThat(both.err).contains("--kernels without a name measures kernels and needs no model");
        Outcome prompt = jwen("bench", "--kernels", "vector", "-p", "8");
        assertThat(prompt.exit).isNotZero();
        assertThat(prompt.err).contains("-p, -n, -d and -r are of runs of a model; add -m MODEL");
        Outcome nothing = jwen("bench", "-m", DENSE, "-p", "0", "-n", "0,0");
        assertThat(nothing.exit).isNotZero();
        assertThat(nothing.err).contains("nothing to measure: -p and -n are 0");
        Outcome integers = jwen("bench", "--kernels", "--types", "Q8_0,I32");
        assertThat(integers.exit).isNotZero();
        assertThat(integers.err).contains("--types takes types of weights; I32 holds something else");
    }

    @Test
    void aDirectoryIsNoPrompt(@TempDir Path folder) {
        for (String[] arguments : new String[][] {
            {"run", "-m", DENSE, "-f", folder.toString()},
            {"eval", "perplexity", "-m", DENSE, folder.toString()}
        }) {
            Outcome outcome = jwen(arguments);
            assertThat(outcome.exit).isNotZero();
            assertThat(outcome.err).contains(folder + " is a directory; expected a file with text");
        }
    }

    @Test
    void inspectCountsWhatIsThere() {
        Outcome dense = jwen("inspect", "--json", "--tensors", DENSE);
        assertThat(dense.exit).as(dense.err).isZero();
        long listed = 0;
        for (JsonNode tensor : dense.json().get("tensors")) {
            long size = 1;
            for (JsonNode dimension : tensor.get("shape")) {
                size *= dimension.asLong();
            }
            listed += size;
        }
        assertThat(dense.json().get("parameters").get("total").asLong())
                .isEqualTo(listed)
                .isPositive();
        Outcome quantised = jwen("inspect", QUANTISED);
        assertThat(quantised.out)
                .contains("GGUF")
                .contains("Q4_K")
                .contains("Q6_K")
                .contains("hidden 256");
        Outcome json = jwen("inspect", "--json", QUANTISED);
        assertThat(json.json().get("types").get("Q4_K").asLong()).isPositive();
    }

    @Test
    void tokenizeGoesBothWays() {
        JsonNode tokens =
                jwen("tokenize", "-m", DENSE, "--json", "Hello <|im_end|>").json();
        List<String> ids = tokens.get("tokens")
                .valueStream()
                .map(t -> t.get("id").asString())
                .toList();
        assertThat(ids).last().isEqualTo("322");
        assertThat(jwen("tokenize", "-m", DENSE, "--decode", String.join(",", ids))
                        .out
                        .strip())
                .isEqualTo("Hello <|im_end|>");
        JsonNode literal = jwen("tokenize", "-m", DENSE, "--json", "--no-special", "Hello <|im_end|>")
                .json();
        assertThat(literal.get("count").asInt()).isGreaterThan(ids.size());
        assertThat(jwen("tokenize", "-m", QUANTISED, "--count", "Hello <|im_end|>")
                        .out
                        .strip())
                .isEqualTo(Integer.toString(ids.size()));
    }

    @Test
    void aTokenizerIsTrainedAndUsed() throws IOException {
        Path text = Files.writeString(directory.resolve("text.txt"), "red green blue\n".repeat(50));
        String target = directory.resolve("model").toString();
        Outcome outcome = jwen("tokenizer", "train", text.toString(), "-o", target, "--vocabulary", "299");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out).contains("299 tokens");
        assertThat(jwen("tokenize", "-m", target, "--count", "red green blue")
                        .out
                        .strip())
                .isEqualTo("3");
        Outcome small = jwen("tokenizer", "train", text.toString(), "-o", target, "--vocabulary", "5000");
        assertThat(small.exit).isZero();
        assertThat(small.err).contains("fewer tokens than 5000");
    }

    @Test
    void aWordThatIsNoCommandIsNamed() {
        Outcome outcome = jwen("rn", "hello");
        assertThat(outcome.exit).isEqualTo(2);
        assertThat(outcome.err)
                .startsWith("jwen: there is no command \"rn\"; there are chat, run, ")
                .doesNotContain("rehearse");
        assertThat(jwen("tokenizer", "rn").err).doesNotContain("there is no command");
    }

    /** Commands are built when they are named; the others are only listed. */
    @Test
    void theHelpListsEveryCommandAndExplainsTheNamedOne() {
        String help = jwen("--help").out;
        for (String command : List.of("chat", "run", "pull", "tokenizer", "bench", "eval", "help")) {
            assertThat(help).containsPattern("(?m)^  " + command + " +[A-Z]");
        }
        assertThat(help).doesNotContain("rehearse");
        assertThat(jwen("help", "run").out).startsWith("Usage: jwen run").contains("--max-tokens");
        assertThat(jwen("run", "--help").out).isEqualTo(jwen("help", "run").out);
    }

    @Test
    void textsThatNoTokenizerCanBeMadeOfAreRefusedInOneSentence() throws IOException {
        String target = directory.resolve("model").toString();
        Path binary = Files.write(directory.resolve("binary"), new byte[] {'a', (byte) 0xff});
        assertThat(jwen("tokenizer", "train", binary.toString(), "-o", target).err)
                .isEqualTo("jwen: %s is not UTF-8 text; convert it first%n".formatted(binary));
        Path missing = directory.resolve("missing");
        assertThat(jwen("tokenizer", "train", missing.toString(), "-o", target).err)
                .isEqualTo("jwen: no such file or directory: %s%n".formatted(missing));
        assertThat(jwen("tokenizer", "train", binary.toString(), "-o", target, "--vocabulary", "288").err)
                .isEqualTo("jwen: --vocabulary is 288; the bytes and the added tokens alone are 289%n".formatted());
        assertThat(jwen("tokenizer", "train", directory.toString(), "-o", target).err)
                .isEqualTo("jwen: %s is a directory; give the files in it%n".formatted(directory));
        assertThat(jwen("tokenizer", "train", binary.toString()).exit).isEqualTo(2);
        assertThat(directory.resolve("model")).doesNotExist();
    }

    @Test
    void logitsOfTwoBackEndsCompareAsEqual() throws IOException {
        Path ids = Files.writeString(directory.resolve("ids.json"), "{\"input_ids\": [5, 6, 7, 8, 9]}");
        String plain = directory.resolve("plain.safetensors").toString();
        String vector = directory.resolve("vector.safetensors").toString();
        Outcome one = jwen("logits", "-m", DENSE, "--exact", "--kernels", "plain", "--ids", "5,6,7,8,9", "-o", plain);
        assertThat(one.exit).as(one.err).isZero();
        Outcome other = jwen(
                "logits", "-m", DENSE, "--exact", "--kernels", "vector", "--ids-file", ids.toString(), "-o", vector);
        assertThat(other.exit).as(other.err).isZero();
        JsonNode result = jwen("compare", "--json", vector, plain).json();
        assertThat(result.get("tokens").asInt()).isEqualTo(5);
        assertThat(result.get("vocabulary").asInt()).isEqualTo(368);
        assertThat(result.get("maxDifference").asDouble()).isLessThan(5e-5);
        assertThat(result.get("argMaxAgreement").asDouble()).isEqualTo(1);
        assertThat(jwen("compare", vector, plain).out).contains("same arg-max").contains("100.00 %");
    }

    @Test
    void theTypeOfTheCacheCanBeChosen() {
        JsonNode chosen = jwen("bench", "-m", QUANTISED, "-p", "8", "-n", "0", "-r", "1", "--json", "--kv", "q8_0")
                .json();
        assertThat(chosen.get(0).get("type_k").asString()).isEqualTo("q8_0");
        JsonNode exact = jwen("bench", "-m", QUANTISED, "-p", "8", "-n", "0", "-r", "1", "--json", "--exact")
                .json();
        assertThat(exact.get(0).get("type_k").asString()).isEqualTo("f32");
        Outcome answer = jwen("run", "-m", QUANTISED, "--kv", "Q8_0", "--raw", "-n", "4", "x");
        assertThat(answer.exit).as(answer.err).isZero();
    }

    @Test
    void benchPrintsTheFieldsOfLlamaBench() {
        Outcome outcome =
                jwen("bench", "-m", QUANTISED, "-p", "16", "-n", "4", "-d", "0,8", "-r", "2", "-t", "1", "--json");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.json()).hasSize(4);
        for (JsonNode test : outcome.json()) {
            assertThat(test.propertyNames())
                    .contains("n_prompt", "n_gen", "n_depth", "n_threads", "avg_ts", "stddev_ts", "samples_ts")
                    .contains("model_size", "model_n_params");
            assertThat(test.get("samples_ts")).hasSize(2);
            assertThat(test.get("n_threads").asInt()).isEqualTo(1);
            assertThat(test.get("avg_ts").asDouble()).isPositive();
        }
        assertThat(jwen("bench", "-m", QUANTISED, "-p", "16", "-n", "0", "-r", "1").out)
                .contains("pp16")
                .contains("tokens/s")
                .contains("peak memory");
    }

    private static final String TOWER =
            GOLDEN.resolve("dense-vl/mmproj-dense-vl-F32.gguf").toString();
    private static final String PICTURE =
            GOLDEN.resolve("vision-processor/odd-portrait.png").toString();

    /** The shipped text model with a chat template. */
    private String chatModel() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(DENSE))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Files.copy(
                GOLDEN.resolveSibling("chat").resolve("qwen-format.jinja"), directory.resolve("chat_template.jinja"));
        return directory.toString();
    }

    private static final String[] SMALL = {"--mmproj", TOWER, "--min-pixels", "4096", "--max-pixels", "65536"};

    private static String[] withSmall(String... arguments) {
        return Stream.concat(Stream.of(arguments), Stream.of(SMALL)).toArray(String[]::new);
    }

    @Test
    void runShowsPicturesToTheModel() throws IOException {
        String model = chatModel();
        Outcome blind = jwen("run", "-m", model, "--no-think", "-n", "2", "--json", "What is this?");
        assertThat(blind.exit).as(blind.err).isZero();
        Outcome seeing = jwen(
                withSmall("run", "-m", model, "--no-think", "-n", "2", "--json", "--image", PICTURE, "What is this?"));
        assertThat(seeing.exit).as(seeing.err).isZero();
        // vision_start, six tokens, vision_end.
        assertThat(seeing.json().get("prompt_tokens").asInt())
                .isEqualTo(blind.json().get("prompt_tokens").asInt() + 8);
        Outcome twice = jwen(withSmall(
                "run", "-m", model, "--no-think", "-n", "2", "--json", "--image", PICTURE, "--image", PICTURE));
        assertThat(twice.exit).as(twice.err).isZero();
    }

    @Test
    void picturesThatCannotBeShownGetOneSentence() throws IOException {
        String model = chatModel();
        Path broken = Files.writeString(directory.resolve("broken.png"), "no picture");
        for (List<String> wrong : List.of(
                List.of("has no vision tower, so it cannot see", "--image", PICTURE),
                List.of("missing.png", "--image", "missing.png", "--mmproj", TOWER),
                List.of("broken.png", "--image", broken.toString(), "--mmproj", TOWER),
                List.of("missing.gguf", "--image", PICTURE, "--mmproj", "missing.gguf"),
                List.of("lies on the network", "--image", "https://example.org/a.png", "--mmproj", TOWER),
                List.of("--video-wrapper must be keep or drop", "--video-wrapper", "shrink"),
                List.of("--raw continues plain text", "--raw", "--image", PICTURE))) {
            List<String> arguments = new ArrayList<>(List.of("run", "-m", model, "-n", "1", "Hi"));
            arguments.addAll(wrong.subList(1, wrong.size()));
            Outcome outcome = jwen(arguments.toArray(String[]::new));
            assertThat(outcome.exit).as(outcome.err).isEqualTo(1);
            assertThat(outcome.err)
                    .startsWith("jwen: ")
                    .contains(wrong.getFirst())
                    .doesNotContain("\tat ");
        }
    }

    @Test
    void logitsOfATextAreThoseOfItsTokensPicturesIncluded() throws IOException {
        String byText = directory.resolve("text.safetensors").toString();
        String byIds = directory.resolve("ids.safetensors").toString();
        Outcome text = jwen(withSmall(
                "logits", "-m", DENSE, "--image", PICTURE, "--text", "<|vision_start|><|image_pad|>", "-o", byText));
        assertThat(text.exit).as(text.err).isZero();
        Outcome ids = jwen(withSmall(
                "logits", "-m", DENSE, "--image", PICTURE, "--ids", "329,332,332,332,332,332,332", "-o", byIds));
        assertThat(ids.exit).as(ids.err).isZero();
        JsonNode result = jwen("compare", "--json", byText, byIds).json();
        assertThat(result.get("tokens").asInt()).isEqualTo(7);
        assertThat(result.get("maxDifference").asDouble()).isZero();
        Outcome tooFew = jwen(withSmall("logits", "-m", DENSE, "--image", PICTURE, "--ids", "332,332", "-o", byIds));
        assertThat(tooFew.err).contains("picture 1 has 6 tokens, but there are 2 placeholders");
    }

    @Test
    void inspectShowsTheVisionSide() {
        assertThat(jwen("inspect", DENSE).out).containsPattern("vision +none: it reads text only");
        assertThat(jwen("inspect", DENSE, "--mmproj", TOWER).out)
                .containsPattern("vision +2 blocks, hidden 48, 3 heads of 16, width 96; [0-9,]+ parameters")
                .contains(TOWER);
        JsonNode vision =
                jwen("inspect", DENSE, "--json", "--mmproj", TOWER).json().get("vision");
        assertThat(vision.get("hidden_size").asInt()).isEqualTo(48);
        assertThat(vision.get("parameters").asLong()).isPositive();
    }

    @Test
    void evalMeasuresSkillsAndKeepsWhatFailed() throws IOException {
        String model = chatModel();
        Path failures = directory.resolve("failures.jsonl");
        Path svg = directory.resolve("scores.svg");
        Path html = directory.resolve("scores.html");
        String[] small = {"eval", "-m", model, "-n", "2", "--max-tokens", "4", "--seed", "5"};
        Outcome outcome = jwen(Stream.concat(
                        Stream.of(small),
                        Stream.of(
                                "--skills",
                                "addition,picture-place",
                                "--json",
                                "--failures",
                                failures.toString(),
                                "--svg",
                                svg.toString(),
                                "--html",
                                html.toString()))
                .toArray(String[]::new));
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.err).contains("skills with pictures are left out").contains("no vision tower");
        assertThat(outcome.json().propertyNames()).containsExactly("model", "seed", "skills");
        assertThat(outcome.json().get("seed").asInt()).isEqualTo(5);
        JsonNode skills = outcome.json().get("skills");
        assertThat(skills).hasSize(1);
        assertThat(skills.get(0).propertyNames()).containsExactly("name", "n", "accuracy", "low", "high");
        assertThat(skills.get(0).get("name").asString()).isEqualTo("addition");
        assertThat(skills.get(0).get("accuracy").asDouble()).isZero();
        List<String> lines = Files.readAllLines(failures);
        assertThat(lines).hasSize(2);
        JsonNode failure = JSON.readTree(lines.getFirst());
        assertThat(failure.get("ending").asString()).isEqualTo("cut");
        assertThat(failure.get("conversation").get("messages").get(0))
                .isEqualTo(failure.get("demonstration").get("messages").get(0));
        assertThat(Files.readString(svg)).contains("<svg", ">addition<");
        assertThat(Files.readString(html)).contains("<svg", "Some that were not solved");
        Outcome table = jwen(Stream.concat(Stream.of(small), Stream.of("--skills", "addition"))
                .toArray(String[]::new));
        assertThat(table.out).contains("95 % interval").containsPattern("addition +0\\.0 %.*97 %");
        assertThat(table.out).endsWith("Below target: addition.\n");
    }

    @Test
    void perplexityOfAText() throws IOException {
        Path text = Files.writeString(directory.resolve("text.txt"), "hello there, how are you? ".repeat(8));
        String[] arguments = {"eval", "perplexity", text.toString(), "-m", DENSE, "-c", "32"};
        Outcome outcome = jwen(arguments);
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out).contains("perplexity ").contains("stride 16");
        JsonNode json = jwen(Stream.concat(Stream.of(arguments), Stream.of("--json", "--stride", "1"))
                        .toArray(String[]::new))
                .json();
        assertThat(json.get("perplexity").asDouble()).isGreaterThan(1);
        assertThat(json.get("bits_per_byte").asDouble()).isPositive();
        assertThat(json.get("stride").asInt()).isEqualTo(1);
        Path empty = Files.writeString(directory.resolve("empty.txt"), "");
        Outcome nothing = jwen("eval", "perplexity", empty.toString(), "-m", DENSE);
        assertThat(nothing.exit).isEqualTo(1);
        assertThat(nothing.err).contains("is empty");
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                mistake(2, "Unknown option: '--temprature'", "run", "--temprature", "1"),
                mistake(2, "frobnicate", "frobnicate"),
                mistake(1, "no model was named", "run", "hello"),
                mistake(1, "no model was named", "chat"),
                mistake(1, "no model was named", "inspect"),
                mistake(1, "nowhere", "inspect", "nowhere"),
                mistake(1, "temperature is -1", "run", "-m", DENSE, "--raw", "--temp", "-1", "x"),
                mistake(1, "-n must be at least 1, found -5", "run", "-m", DENSE, "--raw", "-n", "-5", "x"),
                mistake(1, "--threads must be between", "run", "-m", DENSE, "-t", "-3", "--raw", "x"),
                mistake(1, "--kv must be f32, bf16 or q8_0, found q4", "run", "-m", DENSE, "--kv", "q4", "--raw", "x"),
                mistake(1, "no kernels named \"cuda9\"", "run", "-m", DENSE, "--kernels", "cuda9", "--raw", "x"),
                mistake(1, "no chat template", "run", "-m", QUANTISED, "x"),
                mistake(1, "no such file", "run", "-m", DENSE, "-f", "missing.txt", "x"),
                mistake(1, "token id 400 is outside", "logits", "-m", DENSE, "--ids", "1,400", "-o", "never.st"),
                mistake(1, "as one of --ids", "logits", "-m", DENSE, "-o", "never.st"),
                mistake(
                        1,
                        "-o: no/where.st cannot be written",
                        "logits",
                        "-m",
                        DENSE,
                        "--ids",
                        "1",
                        "-o",
                        "no/where.st"),
                mistake(2, "is not an int", "logits", "-m", DENSE, "--ids", "one", "-o", "never.st"),
                mistake(1, "missing.st", "compare", "missing.st", "missing.st"),
                mistake(1, "there is no suite named maths", "eval", "--suite", "maths", "-m", DENSE),
                mistake(1, "has no skill cooking; it has addition,", "eval", "--skills", "cooking", "-m", DENSE),
                mistake(1, "0 problems were asked for", "eval", "-n", "0", "-m", DENSE),
                mistake(1, "no chat template", "eval", "-m", QUANTISED),
                mistake(1, "no such file", "eval", "perplexity", "missing.txt", "-m", DENSE),
                mistake(1, "not UTF-8 text: byte 1 ", "eval", "perplexity", PICTURE, "-m", DENSE),
                mistake(1, "stride of 2048", "eval", "perplexity", "pom.xml", "-m", DENSE, "--stride", "2048"),
                mistake(1, "-r must be at least 1", "bench", "-m", DENSE, "-r", "0"),
                mistake(1, "counts of tokens", "bench", "-m", DENSE, "-p", "-5"));
    }

    private static Arguments mistake(int exit, String expected, String... arguments) {
        return Arguments.of(exit, expected, arguments);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("mistakes")
    void aMistakeGetsOneSentenceAndNoTrace(int exit, String expected, String[] arguments) {
        Outcome outcome = jwen(arguments);
        assertThat(outcome.exit).as(outcome.err).isEqualTo(exit);
        assertThat(outcome.err).startsWith("jwen: ").contains(expected).doesNotContain("\tat ", "Exception");
        assertThat(outcome.err.strip().lines().count()).isLessThanOrEqualTo(2);
        assertThat(outcome.out).isEmpty();
    }
}
