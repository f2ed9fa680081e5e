package dev.jwen.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Fetches files over several connections at once, in segments where the server allows.
 *
 * <p>The first request of a file asks for its first segment that lacks bytes. A server that sends a part is asked for
 * the others in parallel. One that sends the whole file is taken at its word: the bytes are kept in order, and nobody
 * else asks.
 */
final class Transfers implements AutoCloseable {
    private static final int TICK_MILLIS = 100;
    private static final int BUFFER = 1 << 17;
    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18})");

    private final Http http;
    private final Patience patience;
    private final Function<String, URI> addresses;
    private final PullListener listener;
    private final ExecutorService connections;
    private final List<Part> parts = new ArrayList<>();
    private final CountDownLatch left;
    private final AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();
    private final ConcurrentLinkedQueue<RemoteFile> finished = new ConcurrentLinkedQueue<>();
    private final AtomicLong received = new AtomicLong();
    private final Set<Body> open = ConcurrentHashMap.newKeySet();

    /** A body that is being read. */
    private static final class Body {
        private final InputStream stream;
        private volatile long lastNanos = System.nanoTime();

        Body(InputStream stream) {
            this.stream = stream;
        }
    }

    /**
     * @param files with different checksums; none of them is in {@code blobs}
     * @param addresses of paths
     */
    Transfers(
            Http http,
            Patience patience,
            List<RemoteFile> files,
            Function<String, URI> addresses,
            Path blobs,
            PullOptions options,
            PullListener listener) {
        this.http = http;
        this.patience = patience;
        this.addresses = addresses;
        this.listener = listener;
        this.connections = Executors.newFixedThreadPool(options.connections());
        this.left = new CountDownLatch(files.size());
        try {
            for (RemoteFile file : files) {
                parts.add(Part.open(file, blobs, options.segmentBytes()));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Fetches all files.
     *
     * @return the bytes that came
     * @throws HubException as soon as one of them cannot be had; what has come is kept
     */
    long run() throws InterruptedException {
        for (Part part : parts) {
            submit(part, -1);
        }
        boolean isDone = false;
        while (!isDone && failure.get() == null) {
            isDone = left.await(TICK_MILLIS, TimeUnit.MILLISECONDS);
            listener.progress(received.get());
            for (RemoteFile file = finished.poll(); file != null; file = finished.poll()) {
                listener.finished(file.path(), file.size());
            }
            cutStalled();
        }
        RuntimeException why = failure.get();
        if (why != null) {
            throw why;
        }
        return received.get();
    }

    /** A connection may stay open and silent for ever; closing it makes its reader ask again. */
    private void cutStalled() {
        long now = System.nanoTime();
        for (Body body : open) {
            if (now - body.lastNanos > patience.stall().toNanos()) {
                closeQuietly(body);
            }
        }
    }

    private static void closeQuietly(Body body) {
        try {
            body.stream.close();
        } catch (IOException e) {
            body.lastNanos = System.nanoTime(); // looked at again after another stall
        }
    }

    /** Lets a connection fetch a segment; with -1 the file is new, and how it is served yet to be seen. */
    private void submit(Part part, int segment) {
        var unused = connections.submit(() -> {
            try {
                fetch(part, segment);
            } catch (InterruptedException e) {
                failure.compareAndSet(null, new HubException("the pull was interrupted; what has come is kept.", e));
            } catch (RuntimeException e) {
                failure.compareAndSet(null, e);
            }
        });
    }

    private void fetch(Part part, int given) throws InterruptedException {
        int segment = given;
        int round = part.round();
        Patience.Tries tries = patience.tries();
        while (failure.get() == null) {
            // While nobody else works at the file, any segment of it is ours.
            boolean isAlone = segment < 0;
            if (isAlone ? part.isComplete() : part.isComplete(segment)) {
                if (!part.claim() || finish(part)) {
                    return;
                }
                segment = -1; // all of it came wrong, and is fetched anew
                continue;
            }
            if (!isAlone && part.round() != round) {
                return; // whoever found the checksum wrong fetches all of it
            }
            int wanted = isAlone ? part.firstIncomplete() : segment;
            long before = part.position(wanted);
            try (Http.Answer answer = ask(part, wanted)) {
                if (answer.status() == 206) {
                    if (isAlone) {
                        segment = wanted;
                        round = part.round();
                        for (int other = 0; other < part.segments(); other++) {
                            if (other != wanted && !part.isComplete(other)) {
                                submit(part, other);
                            }
                        }
                    }
                    copy(answer, part, wanted, wanted);
                } else if (isAlone) {
                    part.restart();
                    copy(answer, part, 0, part.segments() - 1);
                } else {
                    throw new IOException("it sends the whole of %s instead of a part"
                            .formatted(part.file().path()));
                }
            } catch (IOException e) {
                if (part.position(wanted) > before) {
                    tries.succeeded();
                }
                pause(tries, e);
            }
        }
    }

    private void pause(Patience.Tries tries, IOException failed) throws InterruptedException {
        if (failure.get() != null) {
            return; // connections are being closed
        }
        try {
            tries.pause(failed, true);
        } catch (IOException enough) {
            throw http.unreachable(enough);
        }
    }

    private boolean finish(Part part) {
        boolean isRight = part.finish();
        if (isRight) {
            finished.add(part.file());
            left.countDown();
        }
        return isRight;
    }

    /** Asks for what a segment lacks, and makes sure that the answer is about the bytes that were listed. */
    private Http.Answer ask(Part part, int segment) throws IOException, InterruptedException {
        RemoteFile file = part.file();
        long from = part.position(segment);
        long to = part.end(segment);
        URI address = addresses.apply(file.path());
        // Of an empty file there is no range.
        Http.Answer answer = http.get(address, file.size() == 0 ? null : from + "-" + (to - 1));
        try {
            if (answer.status() != 200 && answer.status() != 206) {
                throw http.refusal(answer, address);
            }
            requireSame(answer, file);
            String encoding = answer.header("Content-Encoding");
            if (encoding != null && !encoding.equals("identity")) {
                throw new HubException("%s: the server compresses it with %s, which was not asked for."
                        .formatted(file.path(), HubException.clean(encoding)));
            }
            long length =
                    answer.last().headers().firstValueAsLong("Content-Length").orElse(-1);
            long expected = answer.status() == 206 ? to - from : file.size();
            String range = answer.header("Content-Range");
            Matcher matcher = CONTENT_RANGE.matcher(range == null ? "" : range);
            boolean isRange = answer.status() == 200
                    || (matcher.matches()
                            && Long.parseLong(matcher.group(1)) == from
                            && Long.parseLong(matcher.group(2)) == to - 1
                            && Long.parseLong(matcher.group(3)) == file.size());
            if (!isRange || (length >= 0 && length != expected)) {
                throw new HubException(
                        "%s: the server sends %d bytes (%s), expected %d from byte %d of %d. Pull again; if that happens again, check whether a login page or a proxy is in between."
                                .formatted(
                                        file.path(),
                                        length,
                                        range == null ? "no range" : HubException.clean(range),
                                        expected,
                                        answer.status() == 206 ? from : 0,
                                        file.size()));
            }
            return answer;
        } catch (IOException | RuntimeException e) {
            answer.close();
            throw e;
        }
    }

    /** The hub names size and checksum of what it redirects to. */
    private static void requireSame(Http.Answer answer, RemoteFile file) {
        String tag = answer.first()
                .firstValue("X-Linked-ETag")
                .orElse(file.hash())
                .replaceFirst("^W/", "")
                .replace("\"", "");
        long size = answer.first().firstValueAsLong("X-Linked-Size").orElse(file.size());
        boolean isHash = tag.matches("[0-9a-f]{" + file.hash().length() + "}");
        if ((isHash && !tag.equals(file.hash())) || size != file.size()) {
            throw new HubException("%s: the server now has %d bytes with checksum %s, it listed %d with %s. Pull again."
                    .formatted(file.path(), size, HubException.clean(tag), file.size(), file.hash()));
        }
    }

    /** Writes a body to the segments from {@code first} to {@code last}. */
    private void copy(Http.Answer answer, Part part, int first, int last) throws IOException {
        Body body = new Body(answer.last().body());
        open.add(body);
        try {
            byte[] buffer = new byte[BUFFER];
            for (int segment = first; segment <= last; segment++) {
                while (!part.isComplete(segment)) {
                    long lacking = part.end(segment) - part.position(segment);
                    int read = body.stream.read(buffer, 0, (int) Math.min(lacking, BUFFER));
                    body.lastNanos = System.nanoTime();
                    if (read < 0) {
                        throw new IOException(
                                "it ended in the middle of " + part.file().path());
                    }
                    part.write(segment, ByteBuffer.wrap(buffer, 0, read));
                    received.addAndGet(read);
                }
            }
        } finally {
            open.remove(body);
        }
    }

    /** Ends what is under way; what has come is noted. */
    @Override
    public void close() {
        failure.compareAndSet(null, new HubException("the pull has ended"));
        connections.shutdownNow();
        open.forEach(Transfers::closeQuietly);
        connections.close();
        parts.forEach(Part::close);
    }
}
