package dev.jwen.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pulls from a server on this machine that behaves well or badly. */
class PullTest {
    private static final int SEGMENT = 64 << 10;
    private static final PullOptions OPTIONS = new PullOptions(4, SEGMENT);
    private static final Patience PATIENCE =
            new Patience(5, Duration.ofMillis(5), Duration.ofSeconds(3), Duration.ofSeconds(1));
    private static final ModelName NAME = ModelName.of("Qwen/Tiny");

    @TempDir
    Path cache;

    private final HubServer server = new HubServer();

    @BeforeEach
    void aSmallModel() {
        server.files.put("config.json", "{\"dtype\":\"bfloat16\"}".getBytes(StandardCharsets.UTF_8));
        server.files.put("README.md", "# Tiny".getBytes(StandardCharsets.UTF_8));
        server.files.put("chat_template.jinja", new byte[0]);
        server.files.put("model.safetensors", bytes(1, 5 * SEGMENT + 17));
        server.files.put("pytorch_model.bin", bytes(2, 4000));
        server.files.put("onnx/model.onnx", bytes(3, 4000));
    }

    @AfterEach
    void stop() {
        server.close();
    }

    static byte[] bytes(long seed, int count) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    private HubSettings settings(@Nullable String token) {
        URI uri = URI.create(server.address());
        return new HubSettings(cache, uri, uri, token, false);
    }

    private Pulled pull(ModelName name, @Nullable String token) {
        return new Pull(settings(token), OPTIONS, PATIENCE).pull(name, PullListener.NONE);
    }

    private Pulled pull() {
        return pull(NAME, null);
    }

    private void assertWholeAt(Path snapshot) throws IOException {
        for (String path : List.of("config.json", "README.md", "chat_template.jinja", "model.safetensors")) {
            assertThat(snapshot.resolve(path)).hasBinaryContent(server.file(path));
        }
        assertThat(CachedRepo.files(snapshot)).hasSize(4);
        try (var blobs = Files.list(cache.resolve("models--Qwen--Tiny/blobs"))) {
            assertThat(blobs.map(path -> path.getFileName().toString()))
                    .as("nothing is left over")
                    .allMatch(name -> name.matches("[0-9a-f]{40}|[0-9a-f]{64}"));
        }
    }

    private void assertNoModelIsVisible() {
        assertThat(cache.resolve("models--Qwen--Tiny/refs")).doesNotExist();
        assertThat(cache.resolve("models--Qwen--Tiny/snapshots")).doesNotExist();
        assertThatThrownBy(() -> new HubCache(cache).find(NAME))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("jwen pull Qwen/Tiny");
    }

    @Test
    void aPullLeavesTheLayoutOfTheHubsOwnTools() throws IOException {
        Pulled pulled = pull();
        Path repo = cache.resolve("models--Qwen--Tiny");
        assertThat(pulled.path()).isEqualTo(repo.resolve("snapshots").resolve(HubServer.COMMIT));
        assertThat(repo.resolve("refs/main")).hasContent(HubServer.COMMIT);
        Path weights = pulled.path().resolve("model.safetensors");
        assertThat(Files.readSymbolicLink(weights).toString())
                .isEqualTo("../../blobs/" + HubServer.sha256(server.file("model.safetensors")));
        assertThat(Files.readSymbolicLink(pulled.path().resolve("config.json")).toString())
                .isEqualTo("../../blobs/" + HubServer.gitSha1(server.file("config.json")));
        assertWholeAt(pulled.path());
        assertThat(server.requests("store", "model.safetensors"))
                .as("one request for each segment")
                .hasSize(6);
        assertThat(pulled.fetchedBytes()).isEqualTo(pulled.sizeBytes()).isEqualTo(5L * SEGMENT + 17 + 20 + 6);
        assertThat(pull().fetchedBytes()).as("a second pull fetches nothing").isZero();
        assertThat(new HubCache(cache).find(NAME)).isEqualTo(pulled.path());
    }

    @Test
    void aServerThatIgnoresRangesIsReadInOneStream() throws IOException {
        server.servesRanges = false;
        assertWholeAt(pull().path());
        assertThat(server.requests("store", "model.safetensors")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void connectionsThatAreCutGoOn(boolean ranges) throws IOException {
        server.servesRanges = ranges;
        server.cutAfter = 20_000;
        server.cuts.set(ranges ? 12 : 3);
        assertWholeAt(pull().path());
        assertThat(server.cuts.get()).isNotPositive();
        if (ranges) {
            assertThat(server.sent.get()).as("no byte comes twice").isLessThan(8L * SEGMENT);
        }
    }

    @Test
    void theTokenGoesToTheHubAndNowhereElse() {
        server.requiredToken = "hf_secret";
        pull(NAME, "hf_secret");
        assertThat(server.requests("hub", "/")).allMatch(r -> "Bearer hf_secret".equals(r.authorization()));
        assertThat(server.requests("store", "/")).isNotEmpty().allMatch(r -> r.authorization() == null);
    }

    @Test
    void modelScopeNeverGetsTheToken() throws IOException {
        Pulled pulled = pull(ModelName.of("modelscope.cn/Qwen/Tiny"), "hf_secret");
        assertThat(server.requests).isNotEmpty().allMatch(r -> r.authorization() == null);
        assertThat(pulled.path()).startsWith(cache.resolve("models--modelscope.cn--Qwen--Tiny/snapshots"));
        assertThat(pulled.path().resolve("model.safetensors")).hasBinaryContent(server.file("model.safetensors"));
        assertThat(new HubCache(cache).list())
                .extracting(model -> model.name().toString())
                .containsExactly("modelscope.cn/Qwen/Tiny");
    }

    @Test
    void refusalsSayWhatToDo() {
        server.requiredToken = "hf_secret";
        assertThatThrownBy(this::pull)
                .isInstanceOf(HubException.class)
                .hasMessageContaining("gated")
                .hasMessageContaining("HF_TOKEN");
        assertThatThrownBy(() -> pull(NAME, "hf_wrong"))
                .hasMessageContaining("does not accept the token")
                .message()
                .doesNotContain("hf_wrong");
        server.requiredToken = null;
        server.refusals.add(new HubServer.Refusal(403, Map.of("X-Error-Code", "GatedRepo")));
        assertThatThrownBy(() -> pull(NAME, "hf_other")).hasMessageContaining("accept the terms there");
        assertThatThrownBy(() -> pull(ModelName.of("Qwen/Missing"), null))
                .hasMessageContaining("no public model 'Qwen/Missing'")
                .hasMessageContaining("Names look like Qwen/Qwen3.5-4B");
        assertThatThrownBy(() -> pull(NAME.atRevision("v9"), null)).hasMessageContaining("no revision 'v9'");
        assertNoModelIsVisible();
    }

    @Test
    void aBusyServerIsWaitedFor() throws IOException {
        server.refusals.add(new HubServer.Refusal(429, Map.of("Retry-After", "1")));
        server.refusals.add(new HubServer.Refusal(503, Map.of()));
        server.storeRefusals.add(new HubServer.Refusal(500, Map.of()));
        server.storeRefusals.add(new HubServer.Refusal(403, Map.of())); // a signed address that is no longer valid
        long start = System.nanoTime();
        assertWholeAt(pull().path());
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void aServerThatAsksForTooLongAWaitIsNamed() {
        server.refusals.add(new HubServer.Refusal(429, Map.of("Retry-After", "3600")));
        assertThatThrownBy(this::pull).hasMessageContaining("too many requests").hasMessageContaining("3600 seconds");
        for (int i = 0; i < 5; i++) {
            server.refusals.add(new HubServer.Refusal(500, Map.of()));
        }
        assertThatThrownBy(this::pull).hasMessageContaining("in trouble (status 500)");
        assertNoModelIsVisible();
    }

    @Test
    void wrongBytesAreThrownAway() throws IOException {
        server.corrupts = true;
        assertThatThrownBy(this::pull)
                .isInstanceOf(HubException.class)
                .hasMessageContaining("model.safetensors: the SHA-256")
                .hasMessageContaining(HubServer.sha256(server.file("model.safetensors")));
        assertNoModelIsVisible();
        server.corrupts = false;
        assertWholeAt(pull().path());
    }

    @Test
    void aSmallFileIsCheckedToo() {
        byte[] listed = server.file("config.json");
        server.files.put("config.json", "{\"dtype\":\"bfloat32\"}".getBytes(StandardCharsets.UTF_8));
        RemoteFile file = new RemoteFile("config.json", listed.length, HubServer.gitSha1(listed));
        Path blobs = cache.resolve("blobs");
        assertThatThrownBy(() -> {
                    Files.createDirectories(blobs);
                    try (Http http = new Http(settings(null), NAME, PATIENCE);
                            Transfers transfers = new Transfers(
                                    http,
                                    PATIENCE,
                                    List.of(file),
                                    path -> URI.create(
                                            server.address() + "/Qwen/Tiny/resolve/" + HubServer.COMMIT + "/" + path),
                                    blobs,
                                    OPTIONS,
                                    PullListener.NONE)) {
                        transfers.run();
                    }
                })
                .hasMessageContaining("config.json: the git SHA-1");
    }

    @Test
    void bytesFromAnEarlierPullThatTurnOutWrongAreFetchedAgain() throws IOException {
        byte[] weights = server.file("model.safetensors");
        Path blobs = Files.createDirectories(cache.resolve("models--Qwen--Tiny/blobs"));
        String hash = HubServer.sha256(weights);
        Files.write(blobs.resolve(hash + ".jwen-part"), new byte[3 * SEGMENT]);
        Files.writeString(
                blobs.resolve(hash + ".jwen-done"),
                "jwen 1\n%d %d\n%d %d 7 0 0 0\n".formatted(weights.length, SEGMENT, SEGMENT, SEGMENT));
        assertWholeAt(pull().path());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "jwen 2\n%d %d\n9 9 9 9 9 9\n",
                "jwen 1\n%d %d\n9 9\n",
                "jwen 1\n%d %d\n-1 0 0 0 0 0\n",
                "jwen 1\n%d %d\n999999999 999999999 999999999 999999999 999999999 999999999\n"
            })
    void aDamagedRecordOfWhatHasComeDoesNoHarm(String record) throws IOException {
        byte[] weights = server.file("model.safetensors");
        Path blobs = Files.createDirectories(cache.resolve("models--Qwen--Tiny/blobs"));
        String hash = HubServer.sha256(weights);
        Files.write(blobs.resolve(hash + ".jwen-part"), bytes(9, 1000));
        Files.writeString(blobs.resolve(hash + ".jwen-done"), record.formatted(weights.length, SEGMENT));
        assertWholeAt(pull().path());
    }

    @Test
    void aListingThatWantsMoreThanTheDiskHasFetchesNothing() {
        server.listedSize = 1L << 60;
        assertThatThrownBy(this::pull)
                .isInstanceOf(HubException.class)
                .hasMessageContaining("Qwen/Tiny needs")
                .hasMessageContaining("GB free");
        assertThat(server.sent.get()).isZero();
        assertNoModelIsVisible();
    }

    @ParameterizedTest
    @ValueSource(strings = {"../../evil.json", "/etc/evil.json", "a/../../evil.json", "..\\\\evil.json"})
    void aListingCannotNamePlacesOutside(String path) {
        server.files.put(path, bytes(1, 10));
        assertThatThrownBy(this::pull).isInstanceOf(HubException.class).hasMessageContaining("no path inside a model");
        assertThat(server.sent.get()).isZero();
    }

    @Test
    void aFileThatChangedSinceItWasListedIsNoticed() {
        server.listedSize = 5 * SEGMENT + 18;
        assertThatThrownBy(this::pull)
                .hasMessageContaining("the server now has")
                .hasMessageContaining("Pull again");
    }

    @Test
    void aPullThatWasKilledGoesOnWhereItEnded() throws Exception {
        byte[] weights = bytes(4, 60 * SEGMENT);
        server.files.put("model.safetensors", weights);
        server.pauseMillis = 20;
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx128m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        KilledPull.class.getName(),
                        cache.toString(),
                        server.address())
                .redirectErrorStream(true)
                .start();
        Path record = cache.resolve("models--Qwen--Tiny/blobs").resolve(HubServer.sha256(weights) + ".jwen-done");
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        // Killed once a good part has been noted.
        while (!(Files.exists(record)
                && Part.receivedBytes(record.resolveSibling(HubServer.sha256(weights) + ".jwen-part"))
                        > 10L * SEGMENT)) {
            assertThat(System.nanoTime()).as("the first pull gets going").isLessThan(deadline);
            assertThat(process.isAlive()).isTrue();
            Thread.sleep(20);
        }
        process.destroyForcibly().waitFor();
        assertNoModelIsVisible();
        assertThat(new HubCache(cache).list()).extracting(CachedModel::format).containsExactly("unfinished");
        server.pauseMillis = 0;
        List<Long> told = new ArrayList<>();
        Pulled pulled = new Pull(settings(null), OPTIONS, PATIENCE).pull(NAME, new PullListener() {
            @Override
            public void started(List<String> paths, long bytes, long present) {
                told.addAll(List.of(bytes, present));
            }
        });
        assertThat(pulled.fetchedBytes()).isEqualTo(told.getFirst()).isLessThan(50L * SEGMENT);
        assertThat(told.get(0) + told.get(1)).isEqualTo(pulled.sizeBytes());
        assertWholeAt(pulled.path());
    }

    /** A pull in a process of its own. */
    static final class KilledPull {
        private KilledPull() {}

        public static void main(String[] arguments) {
            URI uri = URI.create(arguments[1]);
            new Pull(new HubSettings(Path.of(arguments[0]), uri, uri, null, false), OPTIONS, PATIENCE)
                    .pull(NAME, PullListener.NONE);
        }
    }

    @Test
    void pullsOfTheSameModelGoOneAfterTheOther() throws Exception {
        server.pauseMillis = 10;
        AtomicInteger waited = new AtomicInteger();
        PullListener listener = new PullListener() {
            @Override
            public void waiting() {
                waited.incrementAndGet();
            }
        };
        List<Long> fetched = Collections.synchronizedList(new ArrayList<>());
        try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
            List<Future<?>> pulls = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                pulls.add(threads.submit(() -> fetched.add(new Pull(settings(null), OPTIONS, PATIENCE)
                        .pull(NAME, listener)
                        .fetchedBytes())));
            }
            for (Future<?> pull : pulls) {
                pull.get(30, TimeUnit.SECONDS);
            }
        }
        assertThat(waited.get()).isEqualTo(2);
        assertThat(fetched).filteredOn(bytes -> bytes == 0).hasSize(2);
    }

    @Test
    @Timeout(20)
    void aSilentConnectionCountsAsCut() throws IOException {
        server.stalls.set(1);
        assertWholeAt(pull().path());
        assertThat(server.stalls.get()).isZero();
    }

    @Test
    void whatOtherToolsLeftIsUsed() throws IOException {
        byte[] weights = server.file("model.safetensors");
        Path blobs = Files.createDirectories(cache.resolve("models--Qwen--Tiny/blobs"));
        Files.write(blobs.resolve(HubServer.sha256(weights)), weights);
        Pulled pulled = pull();
        assertThat(pulled.fetchedBytes()).isEqualTo(26);
        assertThat(server.requests("store", "model.safetensors")).isEmpty();
        assertWholeAt(pulled.path());
    }

    @Test
    void noNetworkIsSaidAtOnce() {
        server.close();
        assertThatThrownBy(this::pull)
                .isInstanceOf(HubException.class)
                .hasMessageContaining("cannot be reached. Check the network");
    }

    @Test
    void offlineFetchesNothing() {
        URI uri = URI.create(server.address());
        assertThatThrownBy(() -> new Pull(new HubSettings(cache, uri, uri, null, true), OPTIONS, PATIENCE)
                        .pull(NAME, PullListener.NONE))
                .hasMessageContaining("HF_HUB_OFFLINE");
        assertThat(server.requests).isEmpty();
    }

    @Test
    void redirectsToUnencryptedHostsAreNotFollowed() {
        server.refusals.add(new HubServer.Refusal(302, Map.of("Location", "http://192.0.2.1/listing")));
        assertThatThrownBy(this::pull).hasMessageContaining("is not https and is not followed");
    }
}
