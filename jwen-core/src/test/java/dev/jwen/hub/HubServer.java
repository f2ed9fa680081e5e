package dev.jwen.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A server on this machine that speaks as Hugging Face and as ModelScope do, and misbehaves as it is told. Large files
 * are redirected to a second server, as the hub does, which notes whether a token came along.
 */
final class HubServer implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final int LARGE = 1000;

    /** One request as the server saw it. */
    record Request(
            String host,
            String path,
            @Nullable String range,
            @Nullable String authorization) {}

    /** A status to answer with once, instead of what was asked for. */
    record Refusal(int status, Map<String, String> headers) {}

    final Map<String, byte[]> files = new TreeMap<>();
    final List<Request> requests = new CopyOnWriteArrayList<>();
    final Queue<Refusal> refusals = new ConcurrentLinkedQueue<>();
    final Queue<Refusal> storeRefusals = new ConcurrentLinkedQueue<>();
    final AtomicLong sent = new AtomicLong();
    volatile String id = "Qwen/Tiny";
    volatile String commit = COMMIT;
    volatile @Nullable String requiredToken;
    volatile boolean servesRanges = true;
    volatile boolean corrupts;
    /** Bytes after which each body of the store breaks off, as long as any cuts are left. */
    volatile int cutAfter = Integer.MAX_VALUE;

    final AtomicLong cuts = new AtomicLong();
    /** Bodies of the store that fall silent in the middle. */
    final AtomicLong stalls = new AtomicLong();

    volatile long pauseMillis;
    volatile long listedSize = -1;
    private final HttpServer hub;
    private final HttpServer store;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    HubServer() {
        hub = start("hub", this::hub);
        store = start("store", this::store);
    }

    private interface Handler {
        void handle(HttpExchange exchange) throws IOException;
    }

    private HttpServer start(String host, Handler handler) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setExecutor(threads);
            server.createContext("/", exchange -> {
                requests.add(new Request(
                        host,
                        exchange.getRequestURI().toString(),
                        exchange.getRequestHeaders().getFirst("Range"),
                        exchange.getRequestHeaders().getFirst("Authorization")));
                try (exchange) {
                    handler.handle(exchange);
                }
            });
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    byte[] file(String path) {
        return Objects.requireNonNull(files.get(path));
    }

    String address() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    private void hub(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        Refusal refusal = refusals.poll();
        String required = requiredToken;
        String authorization = exchange.getRequestHeaders().getFirst("Authorization");
        if (refusal != null) {
            refuse(exchange, refusal);
        } else if (required != null && !("Bearer " + required).equals(authorization)) {
            refuse(exchange, new Refusal(401, authorization == null ? Map.of("X-Error-Code", "GatedRepo") : Map.of()));
        } else if (path.startsWith("/api/models/" + id + "/revision/")) {
            String revision = path.substring(path.lastIndexOf('/') + 1);
            if (List.of("main", "v2", commit).contains(revision)) {
                text(exchange, listing());
            } else {
                refuse(exchange, new Refusal(404, Map.of("X-Error-Code", "RevisionNotFound")));
            }
        } else if (path.equals("/api/v1/models/" + id + "/repo/files")) {
            text(exchange, modelScopeListing());
        } else if (path.startsWith("/" + id + "/resolve/" + commit + "/")) {
            resolve(exchange, path.substring(("/" + id + "/resolve/" + commit + "/").length()));
        } else if (path.startsWith("/models/" + id + "/resolve/master/")) {
            resolve(exchange, path.substring(("/models/" + id + "/resolve/master/").length()));
        } else {
            refuse(exchange, new Refusal(404, Map.of()));
        }
    }

    private static void refuse(HttpExchange exchange, Refusal refusal) throws IOException {
        refusal.headers.forEach(exchange.getResponseHeaders()::set);
        exchange.sendResponseHeaders(refusal.status, -1);
    }

    private static void text(HttpExchange exchange, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    private String listing() {
        List<String> siblings = new ArrayList<>();
        files.forEach((path, bytes) -> {
            long size = listedSize >= 0 && isLarge(bytes) ? listedSize : bytes.length;
            String lfs = isLarge(bytes)
                    ? ",\"lfs\":{\"sha256\":\"%s\",\"size\":%d,\"pointerSize\":134}".formatted(sha256(bytes), size)
                    : "";
            siblings.add("{\"rfilename\":\"%s\",\"size\":%d,\"blobId\":\"%s\"%s}"
                    .formatted(path, size, gitSha1(bytes), lfs));
        });
        return "{\"id\":\"%s\",\"sha\":\"%s\",\"siblings\":[%s]}".formatted(id, commit, String.join(",", siblings));
    }

    private String modelScopeListing() {
        return files.entrySet().stream()
                .map(file -> "{\"Path\":\"%s\",\"Type\":\"blob\",\"Size\":%d,\"Sha256\":\"%s\"}"
                        .formatted(file.getKey(), file.getValue().length, sha256(file.getValue())))
                .collect(Collectors.joining(",", "{\"Code\":200,\"Data\":{\"Files\":[", "]}}"));
    }

    private void resolve(HttpExchange exchange, String path) throws IOException {
        byte[] bytes = files.get(path);
        if (bytes == null) {
            refuse(exchange, new Refusal(404, Map.of("X-Error-Code", "EntryNotFound")));
        } else if (isLarge(bytes)) {
            exchange.getResponseHeaders().set("X-Repo-Commit", commit);
            exchange.getResponseHeaders().set("X-Linked-Size", Long.toString(bytes.length));
            exchange.getResponseHeaders().set("X-Linked-ETag", '"' + sha256(bytes) + '"');
            // Another name of this machine is another host.
            exchange.getResponseHeaders()
                    .set("Location", "http://localhost:" + store.getAddress().getPort() + "/" + path);
            exchange.sendResponseHeaders(302, -1);
        } else {
            send(exchange, bytes);
        }
    }

    private void store(HttpExchange exchange) throws IOException {
        Refusal refusal = storeRefusals.poll();
        byte[] bytes = files.get(exchange.getRequestURI().getPath().substring(1));
        if (refusal != null) {
            refuse(exchange, refusal);
        } else if (bytes == null) {
            refuse(exchange, new Refusal(404, Map.of()));
        } else {
            send(exchange, bytes);
        }
    }

    private void send(HttpExchange exchange, byte[] bytes) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = 0;
        int to = bytes.length;
        boolean isPart = range != null && servesRanges;
        if (isPart) {
            String[] ends = range.substring("bytes=".length()).split("-", 2);
            from = Integer.parseInt(ends[0]);
            to = Integer.parseInt(ends[1]) + 1;
            exchange.getResponseHeaders().set("Content-Range", "bytes %d-%d/%d".formatted(from, to - 1, bytes.length));
        }
        exchange.sendResponseHeaders(isPart ? 206 : 200, to == from ? -1 : to - from);
        if (to == from) {
            return;
        }
        int end = isLarge(bytes) && to - from > cutAfter && cuts.getAndDecrement() > 0 ? from + cutAfter : to;
        OutputStream out = exchange.getResponseBody();
        for (int at = from; at < end; at += 1 << 14) {
            byte[] piece = java.util.Arrays.copyOfRange(bytes, at, Math.min(end, at + (1 << 14)));
            if (corrupts && isLarge(bytes)) {
                piece[0] ^= 1;
            }
            out.write(piece);
            out.flush();
            sent.addAndGet(piece.length);
            pause(pauseMillis);
            if (isLarge(bytes) && stalls.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                pause(60_000);
            }
        }
        if (end < to) {
            throw new IOException("cut as the test wants it");
        }
    }

    private static void pause(long millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static boolean isLarge(byte[] bytes) {
        return bytes.length >= LARGE;
    }

    static String sha256(byte[] bytes) {
        return HexFormat.of().formatHex(RemoteFile.digest("SHA-256").digest(bytes));
    }

    static String gitSha1(byte[] bytes) {
        var digest = RemoteFile.digest("SHA-1");
        digest.update(("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII));
        return HexFormat.of().formatHex(digest.digest(bytes));
    }

    /** Requests that the hub, or the store, has had for paths that hold {@code part}. */
    List<Request> requests(String host, String part) {
        return requests.stream()
                .filter(request -> request.host.equals(host) && request.path.contains(part))
                .toList();
    }

    @Override
    public void close() {
        hub.stop(0);
        store.stop(0);
        threads.shutdownNow();
    }
}
