package dev.jwen.web;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * Fetches a picture or clip by HTTP.
 *
 * {@snippet :
 * byte[] encoded = new Fetcher(FetchLimits.DEFAULT).fetch("https://example.org/cat.jpg");
 * }
 *
 * <p>An address may come from a stranger's prompt, and the machine may stand where it reaches what the stranger does
 * not. So a name is resolved once, the addresses it has are checked, and the socket is opened to one of those: no
 * second answer of the name server can put another in its place. Every redirect goes the same way. That is why this
 * does not use {@code java.net.http}, which resolves names itself and does not tell what it connected to.
 *
 * <p>One GET of HTTP/1.1 per connection; no cookies, no credentials, no compression. Holds no state: threads may share
 * it.
 */
public final class Fetcher {
    private static final int MAX_HEADER_BYTES = 64 << 10;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final List<String> TYPES = List.of(
            "image/",
            "video/",
            "application/octet-stream",
            "binary/octet-stream",
            "application/mp4",
            "application/ogg");

    private final FetchLimits limits;
    private final Predicate<InetAddress> allowed;

    public Fetcher(FetchLimits limits) {
        this(limits, limits.privateAddresses() ? address -> true : Addresses::isPublic);
    }

    Fetcher(FetchLimits limits, Predicate<InetAddress> allowed) {
        this.limits = limits;
        this.allowed = allowed;
    }

    /**
     * The body that an http or https address answers with.
     *
     * @throws WebException if it is no such address, its host may not be asked, or it does not answer with a picture or
     *     clip within the limits
     */
    public byte[] fetch(String address) {
        long deadline = System.nanoTime() + limits.timeout().toNanos();
        URI uri = parsed(address);
        try {
            for (int redirects = 0; redirects <= limits.maxRedirects(); redirects++) {
                try (Exchange exchange = new Exchange(uri, connect(uri, deadline), deadline)) {
                    exchange.get();
                    if (!REDIRECTS.contains(exchange.status)) {
                        return exchange.body();
                    }
                    String location = exchange.headers.get("location");
                    if (location == null) {
                        throw new WebException(uri + " redirects to nowhere.");
                    }
                    uri = redirected(uri, location);
                }
            }
        } catch (SocketTimeoutException e) {
            throw new WebException(
                    "%s did not answer within %d seconds."
                            .formatted(uri, limits.timeout().toSeconds()),
                    e);
        } catch (IOException e) {
            String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            throw new WebException("%s cannot be fetched: %s.".formatted(uri, why), e);
        }
        throw new WebException("%s redirects more than %d times.".formatted(address, limits.maxRedirects()));
    }

    private static URI parsed(String address) {
        try {
            URI uri = new URI(address);
            String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
            if (!scheme.equals("http") && !scheme.equals("https")) {
                throw new WebException("'%s' is no http or https address.".formatted(shown(address)));
            }
            if (uri.getHost() == null || uri.getHost().isEmpty() || uri.getUserInfo() != null) {
                throw new WebException("'%s' must name a host, and no user or password.".formatted(shown(address)));
            }
            return uri;
        } catch (URISyntaxException e) {
            throw new WebException("'%s' is not an address: %s.".formatted(shown(address), e.getReason()), e);
        }
    }

    private static URI redirected(URI from, String location) {
        try {
            URI to = parsed(from.resolve(location).toString());
            if (from.getScheme().equalsIgnoreCase("https") && to.getScheme().equalsIgnoreCase("http")) {
                throw new WebException("%s redirects from https to http, which is not followed.".formatted(from));
            }
            return to;
        } catch (IllegalArgumentException e) {
            throw new WebException("%s redirects to '%s', which is no address.".formatted(from, shown(location)), e);
        }
    }

    private static String shown(String text) {
        return text.length() > 100 ? text.substring(0, 100) + "…" : text;
    }

    private Socket connect(URI uri, long deadline) throws IOException {
        boolean secure = uri.getScheme().equalsIgnoreCase("https");
        String host = uri.getHost().replaceAll("^\\[|]$", "");
        int port = uri.getPort() >= 0 ? uri.getPort() : secure ? 443 : 80;
        Socket socket = connect(uri, host, port, deadline);
        if (!secure) {
            return socket;
        }
        try {
            SSLSocket encrypted = (SSLSocket)
                    ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(socket, host, port, true);
            SSLParameters parameters = encrypted.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS"); // the certificate must name the host
            encrypted.setSSLParameters(parameters);
            encrypted.setSoTimeout(millisLeft(deadline));
            encrypted.startHandshake();
            return encrypted;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private Socket connect(URI uri, String host, int port, long deadline) throws IOException {
        InetAddress[] addresses;
        try {
            addresses = InetAddress.getAllByName(host);
        } catch (UnknownHostException e) {
            throw new WebException("%s: there is no host '%s'.".formatted(uri, host), e);
        }
        IOException last = null;
        for (InetAddress address : addresses) {
            if (!allowed.test(address)) {
                continue;
            }
            Socket socket = new Socket();
            try {
                socket.connect(new InetSocketAddress(address, port), millisLeft(deadline));
                return socket;
            } catch (IOException e) {
                socket.close();
                last = e;
            }
        }
        if (last != null) {
            throw last;
        }
        throw new WebException(
                "%s is not fetched: '%s' is an address of this machine or a private network.".formatted(uri, host));
    }

    private static int millisLeft(long deadline) throws SocketTimeoutException {
        long millis = (deadline - System.nanoTime()) / 1_000_000;
        if (millis <= 0) {
            throw new SocketTimeoutException("out of time");
        }
        return (int) Math.min(millis, Integer.MAX_VALUE);
    }

    /** One request and its answer. */
    private final class Exchange implements AutoCloseable {
        private final URI uri;
        private final Socket socket;
        private final long deadline;
        private final InputStream in;
        private final Map<String, String> headers = new HashMap<>();
        private int status;

        Exchange(URI uri, Socket socket, long deadline) throws IOException {
            this.uri = uri;
            this.socket = socket;
            this.deadline = deadline;
            this.in = new BufferedInputStream(new Timed(socket.getInputStream()), 1 << 16);
        }

        /** Gives each read what is left of the time, so that a trickle cannot stretch it. */
        private final class Timed extends InputStream {
            private final InputStream raw;

            Timed(InputStream raw) {
                this.raw = raw;
            }

            @Override
            public int read() throws IOException {
                socket.setSoTimeout(millisLeft(deadline));
                return raw.read();
            }

            @Override
            public int read(byte[] bytes, int from, int length) throws IOException {
                socket.setSoTimeout(millisLeft(deadline));
                return raw.read(bytes, from, length);
            }
        }

        void get() throws IOException {
            String path = uri.getRawPath() == null || uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
            String query = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
            String target = URI.create(path + query).toASCIIString();
            String port = uri.getPort() >= 0 ? ":" + uri.getPort() : "";
            String request = "GET %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: jwen\r\nAccept: image/*, video/*\r\n"
                            .formatted(target, uri.getHost(), port)
                    + "Accept-Encoding: identity\r\nConnection: close\r\n\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().flush();
            do {
                readHead();
            } while (status >= 100 && status < 200);
        }

        private void readHead() throws IOException {
            int[] left = {MAX_HEADER_BYTES};
            String first = line(left);
            String[] words = first.split(" ", 3);
            if (words.length < 2 || !words[0].startsWith("HTTP/") || !words[1].matches("\\d{3}")) {
                throw new IOException("it does not answer in HTTP");
            }
            status = Integer.parseInt(words[1]);
            headers.clear();
            for (String line = line(left); !line.isEmpty(); line = line(left)) {
                int colon = line.indexOf(':');
                if (colon > 0) {
                    headers.put(
                            line.substring(0, colon).strip().toLowerCase(Locale.ROOT),
                            line.substring(colon + 1).strip());
                }
            }
        }

        private String line(int[] left) throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int c = in.read(); c != '\n'; c = in.read()) {
                if (c < 0) {
                    throw new IOException("the connection was closed in the middle");
                }
                if (--left[0] < 0) {
                    throw new IOException("its answer begins with more than %d bytes".formatted(MAX_HEADER_BYTES));
                }
                if (c != '\r') {
                    line.write(c);
                }
            }
            return line.toString(StandardCharsets.ISO_8859_1);
        }

        byte[] body() throws IOException {
            if (status != 200) {
                throw new WebException("%s answers with status %d%s."
                        .formatted(uri, status, status == 404 ? ", there is nothing" : ""));
            }
            String type = headers.getOrDefault("content-type", "").toLowerCase(Locale.ROOT);
            if (!type.isEmpty() && TYPES.stream().noneMatch(type::startsWith)) {
                throw new WebException(
                        "%s is %s, expected a picture or video.".formatted(uri, shown(type.replaceAll(";.*", ""))));
            }
            String encoding = headers.getOrDefault("content-encoding", "identity");
            if (!encoding.equalsIgnoreCase("identity")) {
                throw new WebException(
                        "%s is compressed with %s, which was not asked for.".formatted(uri, shown(encoding)));
            }
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            String length = headers.get("content-length");
            if (headers.getOrDefault("transfer-encoding", "").equalsIgnoreCase("chunked")) {
                for (long size = chunkSize(); size > 0; size = chunkSize()) {
                    copy(size, body, true);
                    line(new int[] {2});
                }
            } else if (length != null && length.matches("\\d{1,18}")) {
                copy(Long.parseLong(length), body, true);
            } else {
                copy(Long.MAX_VALUE, body, false);
            }
            return body.toByteArray();
        }

        private long chunkSize() throws IOException {
            String size = line(new int[] {1 << 10}).replaceAll(";.*", "").strip();
            if (!size.matches("[0-9a-fA-F]{1,15}")) {
                throw new IOException("its answer is damaged");
            }
            return Long.parseLong(size, 16);
        }

        private void copy(long length, ByteArrayOutputStream body, boolean all) throws IOException {
            requireSize(all ? body.size() + length : 0);
            byte[] buffer = new byte[1 << 16];
            long left = length;
            while (left > 0) {
                int read = in.read(buffer, 0, (int) Math.min(left, buffer.length));
                if (read < 0) {
                    if (all) {
                        throw new IOException("the connection was closed in the middle");
                    }
                    return;
                }
                requireSize(body.size() + (long) read);
                body.write(buffer, 0, read);
                left -= read;
            }
        }

        private void requireSize(long bytes) {
            if (bytes > limits.maxBytes()) {
                throw new WebException("%s has more than the %d bytes allowed.".formatted(uri, limits.maxBytes()));
            }
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
