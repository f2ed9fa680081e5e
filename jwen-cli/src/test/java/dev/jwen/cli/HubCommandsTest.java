package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** From a name to an answer: pull, list, show, run and rm against a server on this machine. */
class HubCommandsTest {
    private static final Path GOLDEN = Path.of("../jwen-core/src/test/resources/golden");
    private static final String COMMIT = "89abcdef".repeat(5);
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final String CARD = """
            ---
            license: apache-2.0
            base_model:
            - Qwen/Other
            pipeline_tag: "text-generation"
            ---
            # Tiny

            [badge](https://example.org)

            A **tiny** model with random weights that says nothing of sense, and so is good for tests of everything else.
            """;

    private final Path cache = Path.of(Objects.requireNonNull(System.getenv("HF_HUB_CACHE")));
    private final Map<String, byte[]> files = new TreeMap<>();
    private final HttpServer server = newServer();

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

    /** As in a pipe; the test run else says that its input is a terminal, so that no command reads it. */
    private static Outcome withoutTerminal(String... arguments) {
        String before = System.setProperty("jwen.terminals", "");
        try {
            return jwen(arguments);
        } finally {
            System.setProperty("jwen.terminals", before == null ? "" : before);
        }
    }

    private static HttpServer newServer() {
        try {
            return HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @BeforeEach
    void serve() throws IOException {
        assertThat(cache.toString()).as("never the user's own cache").contains("target");
        clear();
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() throws IOException {
        server.stop(0);
        clear();
    }

    private void clear() throws IOException {
        if (Files.exists(cache)) {
            try (Stream<Path> walk = Files.walk(cache)) {
                for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        String place = "/a/tiny/resolve/" + COMMIT + "/";
        byte[] body = path.equals("/api/models/a/tiny/revision/main")
                ? listing().getBytes(StandardCharsets.UTF_8)
                : path.startsWith(place) ? files.get(path.substring(place.length())) : null;
        // Without parts of files: what is asked for comes whole.
        exchange.sendResponseHeaders(body == null ? 404 : 200, body == null || body.length == 0 ? -1 : body.length);
        if (body != null) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    private String listing() {
        List<String> siblings = new ArrayList<>();
        files.forEach((path, bytes) -> siblings.add(
                "{\"rfilename\":\"%s\",\"size\":130,\"blobId\":\"0\",\"lfs\":{\"sha256\":\"%s\",\"size\":%d}}"
                        .formatted(path, sha256(bytes), bytes.length)));
        return "{\"sha\":\"%s\",\"siblings\":[%s]}".formatted(COMMIT, String.join(",", siblings));
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private void put(Path... sources) throws IOException {
        for (Path source : sources) {
            files.put(Objects.requireNonNull(source.getFileName()).toString(), Files.readAllBytes(source));
        }
    }

    private String mirror() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @Test
    void aPulledModelIsNamedWhereverAModelStands() throws IOException {
        Path golden = GOLDEN.resolve("dense-text/checkpoint-bf16-sharded");
        try (Stream<Path> list = Files.list(golden)) {
            put(list.toArray(Path[]::new));
        }
        files.put("README.md", CARD.getBytes(StandardCharsets.UTF_8));
        files.put("pytorch_model.bin", new byte[100]);

        Outcome before = jwen("inspect", "a/tiny");
        assertThat(before.exit).isEqualTo(1);
        assertThat(before.err).contains("jwen pull a/tiny");

        Outcome pulled = jwen("pull", "a/tiny", "--mirror", mirror());
        assertThat(pulled.exit).as(pulled.err).isZero();
        assertThat(pulled.out).contains("jwen chat -m a/tiny").contains(COMMIT);
        assertThat(pulled.err).contains("model.safetensors.index.json").doesNotContain("pytorch");
        Outcome again = jwen("pull", "a/tiny", "--mirror", mirror(), "--json");
        assertThat(again.json().get("fetched_bytes").asLong()).isZero();
        Path snapshot = Path.of(again.json().get("path").asString());

        Outcome list = jwen("list");
        assertThat(list.out).contains("a/tiny").contains("safetensors").contains("NAME");
        JsonNode model = jwen("list", "--json").json().get("models").get(0);
        assertThat(model.get("name").asString()).isEqualTo("a/tiny");
        assertThat(model.get("size_bytes").asLong())
                .isEqualTo(again.json().get("size_bytes").asLong());

        Outcome show = jwen("show", "a/tiny");
        assertThat(show.exit).as(show.err).isZero();
        assertThat(show.out)
                .contains("https://huggingface.co/a/tiny")
                .contains("apache-2.0")
                .contains("text-generation")
                .contains("A tiny model with random weights")
                .contains("gated delta net")
                .doesNotContain("badge")
                .doesNotContain("**");
        JsonNode facts = jwen("show", "a/tiny", "--json").json();
        assertThat(facts.get("card").get("license").asString()).isEqualTo("apache-2.0");
        assertThat(facts.get("parameters").get("total").asLong()).isPositive();

        assertThat(jwen("inspect", "--json", "a/tiny").json().get("parameters"))
                .isEqualTo(jwen("inspect", "--json", golden.toString()).json().get("parameters"));
        assertThat(jwen("tokenize", "-m", "a/tiny", "--count", "hello").out)
                .isEqualTo(jwen("tokenize", "-m", golden.toString(), "--count", "hello").out);
        String[] run = {"run", "-m", "a/tiny", "--raw", "-n", "4", "--temp", "0", "--kernels", "plain", "hello"};
        Outcome answer = jwen(run);
        assertThat(answer.exit).as(answer.err).isZero();
        run[2] = golden.toString();
        assertThat(answer.out).isEqualTo(jwen(run).out);

        Outcome asked = withoutTerminal("rm", "a/tiny");
        assertThat(asked.exit).isEqualTo(1);
        assertThat(asked.err).contains("add -y");
        assertThat(snapshot).exists();
        Outcome removed = jwen("rm", "-y", "a/tiny");
        assertThat(removed.exit).as(removed.err).isZero();
        assertThat(snapshot).doesNotExist();
        assertThat(jwen("list").out).contains("There are no models in " + cache);
        assertThat(jwen("rm", "-y", "a/tiny").err).contains("nothing to remove");
        assertThat(jwen("rm", "-y", "jwen-nano").err).contains("jwen-nano came with Jwen");
    }

    @Test
    void aQuantisationChoosesAGgufFile() throws IOException {
        Path gguf = GOLDEN.resolve("dense-256/dense-256-Q4_K_M.gguf");
        put(gguf);
        files.put("dense-256-Q8_0.gguf", new byte[64]);
        Outcome several = jwen("pull", "hf.co/a/tiny", "--mirror", mirror());
        assertThat(several.exit).isEqualTo(1);
        assertThat(several.err).contains("Name one of them: a/tiny:Q4_K_M, a/tiny:Q8_0");
        Outcome pulled = jwen("pull", "hf.co/a/tiny:q4_k_m", "--mirror", mirror());
        assertThat(pulled.exit).as(pulled.err).isZero();
        for (String name : List.of("a/tiny", "a/tiny:Q4_K_M", "hf.co/a/tiny/dense-256-Q4_K_M.gguf")) {
            Outcome found = jwen("inspect", name);
            assertThat(found.exit).as(found.err).isZero();
            assertThat(found.out).contains("dense-256-Q4_K_M.gguf");
        }
        assertThat(jwen("list").out).contains("a/tiny:Q4_K_M").contains("GGUF Q4_K_M");
        assertThat(jwen("inspect", "a/tiny:Q8_0").err).contains("jwen pull a/tiny:Q8_0");
    }

    @Test
    void mistakesGetOneSentence() {
        for (String[] arguments : new String[][] {
            {"pull", "nonsense"},
            {"pull", "a/missing", "--mirror", mirror()},
            {"pull", "a/b@v1", "--revision", "v2"},
            {"pull", "a/b", "--mirror", "nowhere at all"},
            {"pull", "a/b"}, // nobody listens where the environment points
            {"show", "a/b"},
            {"inspect", "no/such/file.bin"},
            {"run", "-m", "a/b", "hello"}
        }) {
            Outcome outcome = jwen(arguments);
            assertThat(outcome.exit).isEqualTo(1);
            assertThat(outcome.err.strip().lines()).as(outcome.err).hasSize(1);
            assertThat(outcome.err)
                    .startsWith("jwen: ")
                    .doesNotContain("internal error")
                    .doesNotContain("hf_of_the_test");
        }
    }

    @Test
    void aFileOfTheSameNameIsTakenBeforeTheCache() throws IOException {
        put(GOLDEN.resolve("dense-256/dense-256-Q4_K_M.gguf"));
        jwen("pull", "a/tiny", "--mirror", mirror());
        Path named = GOLDEN.resolve("dense-256/dense-256-Q4_K_M.gguf");
        assertThat(Models.find(named.toString())).isEqualTo(named);
        assertThat(Models.find("a/tiny")).startsWith(cache);
    }
}
