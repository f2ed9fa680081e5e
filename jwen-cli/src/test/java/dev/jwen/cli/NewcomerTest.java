package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What somebody sees who has named no model, and what tools do in chat and run. */
class NewcomerTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final String CALCULATES = "I compute.\n" + call("calculator", parameter("expression", "12 * 34"));

    @TempDir
    Path directory;

    private final Properties properties = (Properties) System.getProperties().clone();
    private final InputStream input = System.in;

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

    /** With the plain kernels: the others have nothing to add to a model of this size. */
    private static Outcome answer(String command, String... arguments) {
        return jwen(Stream.concat(Stream.of(command, "--kernels", "plain", "--temp", "0"), Stream.of(arguments))
                .toArray(String[]::new));
    }

    private static String call(String name, String parameters) {
        return "<tool_call>\n<function=%s>\n%s</function>\n</tool_call>".formatted(name, parameters);
    }

    private static String parameter(String name, String value) {
        return "<parameter=%s>\n%s\n</parameter>\n".formatted(name, value);
    }

    /** A home whose jwen-nano says so. */
    @BeforeEach
    void ship() throws IOException {
        System.setProperty(Nano.HOME, directory.toString());
        Path model = Files.createDirectories(directory.resolve("models").resolve(Nano.NAME));
        Parrot.write(model.resolve("parrot.gguf"), CALCULATES, "It is 408.");
    }

    @AfterEach
    void restore() {
        System.setProperties(properties);
        System.setIn(input);
    }

    private String another(String first) {
        Path file = directory.resolve("another.gguf");
        Parrot.write(file, first, "It is done.");
        return file.toString();
    }

    private static void type(String terminals, String text) {
        System.setProperty("jwen.terminals", terminals);
        System.setIn(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void withoutAModelJwenNanoAnswersAndUsesTheCalculator() {
        Outcome outcome = answer("run", "What is 12 * 34?");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out).isEqualTo("I compute.\nIt is 408.\n");
        assertThat(outcome.err).isEqualTo("%s%n▸ calculator 12 * 34 = 408\n".formatted(Nano.NOTE));
        Outcome named = answer("run", "-m", Nano.NAME, "What is 12 * 34?");
        assertThat(named.out).isEqualTo(outcome.out);
        assertThat(named.err).isEqualTo("▸ calculator 12 * 34 = 408\n");
    }

    @Test
    void jsonHoldsTheCallsAndWhatTheyGave() {
        Outcome outcome = answer("run", "--json", "What is 12 * 34?");
        assertThat(outcome.err).isEmpty();
        JsonNode json = outcome.json();
        assertThat(json.get("content").asString()).isEqualTo("It is 408.");
        assertThat(json.get("tool_calls")).hasSize(1);
        JsonNode call = json.get("tool_calls").get(0);
        assertThat(call.propertyNames()).containsExactly("id", "name", "arguments", "result");
        assertThat(call.get("name").asString()).isEqualTo("calculator");
        assertThat(call.get("arguments").get("expression").asString()).isEqualTo("12 * 34");
        assertThat(call.get("result").asString()).isEqualTo("408");
        assertThat(json.get("completion_tokens").asInt()).as("two answers").isEqualTo(4);
        assertThat(json.get("prompt_tokens").asInt()).isGreaterThan(20);
    }

    @Test
    void otherModelsHaveNoToolsUnlessGiven() {
        String model = another(CALCULATES);
        Outcome bare = answer("run", "-m", model, "What is 12 * 34?");
        assertThat(bare.exit).as(bare.err).isZero();
        assertThat(bare.out).isEqualTo("I compute.\n");
        assertThat(bare.err).isEqualTo("(the model called a tool and has none; --tools gives it some)%n".formatted());
        JsonNode call = answer("run", "-m", model, "--json", "x")
                .json()
                .get("tool_calls")
                .get(0);
        assertThat(call.propertyNames()).doesNotContain("result");
        assertThat(answer("run", "-m", model, "--tools", "calculator", "x").out).isEqualTo("I compute.\nIt is done.\n");
        assertThat(answer("run", "--tools", "none", "x").out).isEqualTo("I compute.\n");
    }

    @Test
    void filesAreEditedAndCommandsRunOnlyWhenSomebodyAgrees() throws IOException {
        String edit = call("edit_file", parameter("path", "a.txt") + parameter("old", "cat") + parameter("new", "dog"));
        String run = call("run", parameter("command", "cat a.txt > b.txt; cat b.txt"));
        String model = another(edit + "\n" + run);
        Path folder = Files.createDirectory(directory.resolve("folder"));
        String[] arguments = {"-m", model, "--tools", "calculator,files=" + folder, "Repair it."};

        Files.writeString(folder.resolve("a.txt"), "cat");
        Outcome unasked = answer("run", arguments);
        assertThat(unasked.exit).as(unasked.err).isZero();
        assertThat(unasked.err)
                .contains("▸ edit_file path: a.txt, old: cat, new: dog → Done.\n")
                .contains("(not run, as there is no terminal to ask at: cat a.txt > b.txt; cat b.txt)")
                .contains("→ Error: this command is not allowed.");
        assertThat(folder.resolve("a.txt")).hasContent("dog");
        assertThat(folder.resolve("b.txt")).doesNotExist();

        Files.writeString(folder.resolve("a.txt"), "cat");
        type("02", "no\n");
        assertThat(answer("run", arguments).err).contains("Run cat a.txt > b.txt; cat b.txt? [y/N] ");
        assertThat(folder.resolve("b.txt")).doesNotExist();

        Files.writeString(folder.resolve("a.txt"), "cat");
        type("02", "y\n");
        assertThat(answer("run", arguments).err).contains("▸ run cat a.txt > b.txt; cat b.txt → dog\n");
        assertThat(folder.resolve("b.txt")).hasContent("dog");
    }

    @Test
    void aPipedChatPrintsAnswersAloneAndSwitchesTools() {
        type("", "What is 12 * 34?\n/tools calculator off\nAnd now?\n/tools\n/tools calculator on\nAgain.\n/stats\n");
        Outcome outcome = answer("chat");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out.lines())
                .startsWith(
                        "I compute.",
                        "It is 408.",
                        "(from the next answer on)",
                        "I compute.",
                        "calculator   off  + - * / % ( ), exact",
                        "files=DIR    off  reads and edits files in a folder, runs commands there if you agree to each",
                        "(from the next answer on)",
                        "I compute.",
                        "It is 408.")
                .anyMatch(line -> line.startsWith("read "))
                .last()
                .asString()
                .startsWith("conversation ");
        assertThat(outcome.err.lines())
                .containsExactly(
                        Nano.NOTE,
                        "▸ calculator 12 * 34 = 408",
                        "(the model called a tool and has none; --tools gives it some)",
                        "▸ calculator 12 * 34 = 408");
    }

    @Test
    void aChatWithToolsIsSavedAndGoneOnWith() {
        String file = directory.resolve("chat.json").toString();
        type("", "/system Be brief.\nWhat is 12 * 34?\n/save " + file + "\n/clear\n/load " + file + "\nAgain.\n");
        Outcome outcome = answer("chat");
        assertThat(outcome.exit).as(outcome.err).isZero();
        assertThat(outcome.out).contains("(4 messages written to " + file + ")").contains("(4 messages from " + file);
        assertThat(outcome.out).endsWith("I compute.\nIt is 408.\n");
    }

    @Test
    void everyCommandThatTakesAModelTakesJwenNano() {
        for (String[] command : new String[][] {
            {"inspect"},
            {"tokenize", "--count", "hello"},
            {"bench", "-p", "4", "-n", "0", "-r", "1"},
            {
                "logits",
                "--ids",
                "1,2",
                "-o",
                directory.resolve("logits.safetensors").toString()
            },
            {"eval", "-n", "1", "--skills", "addition", "--max-tokens", "2", "--kernels", "plain"},
            {"eval", "perplexity", "pom.xml", "-c", "64", "--kernels", "plain"}
        }) {
            Outcome outcome = jwen(command);
            assertThat(outcome.exit).as(outcome.err).isZero();
            assertThat(outcome.err.lines().filter(Nano.NOTE::equals)).hasSize(1);
            assertThat(outcome.out).doesNotContain(Nano.NOTE);
        }
        Outcome json = jwen("inspect", "--json");
        assertThat(json.err).isEmpty();
        assertThat(json.json().get("path").asString()).contains("models");
        int own = json.json().get("config").findValue("max_position_embeddings").asInt();
        assertThat(json.json().at("/memory/context_tokens").asInt()).isEqualTo(Math.min(32_768, own));
    }

    @Test
    void jwenNanoIsShownLikeAPulledModel() {
        assertThat(jwen("show", Nano.NAME).out).contains("came with Jwen").contains("parameters");
        assertThat(jwen("show", "--json", Nano.NAME).json().get("name").asString())
                .isEqualTo(Nano.NAME);
    }

    @Test
    void aModelThatIsNotThereIsSaidInOneSentence() {
        System.setProperty(Nano.HOME, directory.resolve("elsewhere").toString());
        Outcome unnamed = jwen("run", "hello");
        assertThat(unnamed.exit).isEqualTo(1);
        assertThat(unnamed.err)
                .startsWith("jwen: no model was named")
                .contains("jwen-nano")
                .contains("-m MODEL");
        Outcome named = jwen("inspect", Nano.NAME);
        assertThat(named.exit).isEqualTo(1);
        assertThat(named.err).contains("is not here").contains("elsewhere").contains("jwen pull");
        assertThat(unnamed.err.lines().count() + named.err.lines().count()).isEqualTo(2);
    }

    @Test
    void withoutTheScriptTheModelIsLookedForAboveTheCode() {
        System.clearProperty(Nano.HOME);
        boolean ships = Files.isDirectory(Path.of("../models").resolve(Nano.NAME));
        assertThat(jwen("inspect", Nano.NAME).exit).isEqualTo(ships ? 0 : 1);
    }

    @Test
    void toolsThatDoNotExistAreRefused() {
        for (String tool : new String[] {"hammer", "files", "files=", "files=nowhere/at/all"}) {
            Outcome outcome = answer("run", "-m", Nano.NAME, "--tools", tool, "x");
            assertThat(outcome.exit).isEqualTo(1);
            assertThat(outcome.err.lines()).hasSize(1);
            assertThat(outcome.err)
                    .startsWith("jwen: ")
                    .containsPattern("there is no tool hammer|files needs a folder|no folder nowhere");
        }
    }

    @Test
    void withoutACommandInAPipeTheHelpIsPrinted() {
        type("", "");
        Outcome outcome = jwen();
        assertThat(outcome.exit).isZero();
        assertThat(outcome.out).isEqualTo(jwen("--help").out);
        assertThat(outcome.err).isEmpty();
    }

    /** Its answers about commands were learned; here they are held against the commands there are. */
    @Test
    void whatTheModelTeachesAboutCommandsIsSo() throws IOException {
        String facts;
        try (InputStream in = Objects.requireNonNull(
                dev.jwen.nano.Suite.class.getResourceAsStream("commands.txt"), "the facts have moved")) {
            facts = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        int checked = 0;
        for (String answer : facts.lines().filter(line -> line.startsWith("> ")).toList()) {
            Matcher code = Pattern.compile("`([^`]+)`").matcher(answer);
            while (code.find()) {
                checked += isSo(code.group(1)) ? 1 : 0;
            }
        }
        assertThat(checked).isGreaterThan(40);
    }

    private static boolean isSo(String said) {
        if (said.startsWith("/")) {
            assertThat(ChatLoop.HELP.lines()).anyMatch(line -> line.startsWith(said));
            return true;
        }
        String jwen = said.substring(said.indexOf('|') + 1).strip();
        if (!jwen.startsWith("jwen") && !jwen.startsWith("-")) {
            return false; // a file, or a command of something else
        }
        String[] words = jwen.replace("\"", "")
                .replace("COMMAND", "run")
                .replaceFirst("^jwen ", "")
                .replaceAll("\\b(N|X|P|TOKENS|IDS)\\b", "1")
                .split(" ");
        if (words[0].startsWith("-") && !words[0].equals("--version")) {
            words = Stream.concat(Stream.of("run"), Stream.of(words)).toArray(String[]::new);
        }
        Main.commandLine(words).parseArgs(words); // throws what is wrong
        return true;
    }
}
