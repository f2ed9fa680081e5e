package dev.jwen.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Set;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * GETs from one server and wherever it redirects to.
 *
 * <p>The token goes to the server alone, and only encrypted or within this machine. Redirects are followed here and not
 * by the client, which would send the token along. Everything else is https, too, unless the user named an http server.
 */
final class Http implements AutoCloseable {
    private static final int MAX_REDIRECTS = 8;
    private static final int MAX_LISTING = 64 << 20;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private final HttpClient client = HttpClient.newBuilder()
            // HTTP/2 would put all transfers on one connection, and servers limit the rate of each.
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(Duration.ofSeconds(30))
            .build();
    private final ModelName name;
    private final URI server;
    private final @Nullable String token;
    private final Patience patience;

    Http(HubSettings settings, ModelName name, Patience patience) {
        this.name = name;
        this.server = settings.server(name.site());
        this.token =
                name.site() == Site.HUGGING_FACE && (isSecure(server) || isLoopback(server)) ? settings.token() : null;
        this.patience = patience;
    }

    /**
     * An answer.
     *
     * @param first the headers of the server that was asked, which may have redirected to another
     */
    record Answer(HttpHeaders first, HttpResponse<InputStream> last) implements AutoCloseable {
        int status() {
            return last.statusCode();
        }

        @Nullable
        String header(String header) {
            return last.headers().firstValue(header).orElse(null);
        }

        @Override
        public void close() throws IOException {
            last.body().close();
        }
    }

    /** The whole body at an address, tried as often as patience allows. */
    byte[] body(URI uri) throws InterruptedException {
        Patience.Tries tries = patience.tries();
        while (true) {
            try (Answer answer = get(uri, null)) {
                if (answer.status() != 200) {
                    throw refusal(answer, uri);
                }
                byte[] body = answer.last.body().readNBytes(MAX_LISTING + 1);
                if (body.length > MAX_LISTING) {
                    throw new HubException("%s answers with more than %d bytes.".formatted(uri, MAX_LISTING));
                }
                return body;
            } catch (IOException e) {
                try {
                    tries.pause(e, false);
                } catch (IOException enough) {
                    throw unreachable(enough);
                }
            }
        }
    }

    /**
     * Asks for {@code uri}, following redirects.
     *
     * @param range bytes, as in {@code 0-99}, or null for all
     */
    Answer get(URI uri, @Nullable String range) throws IOException, InterruptedException {
        URI at = uri;
        HttpHeaders first = null;
        for (int redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(at)
                    .timeout(patience.stall())
                    .header("User-Agent", "jwen")
                    .header("Accept-Encoding", "identity");
            if (token != null && isServer(at)) {
                request.header("Authorization", "Bearer " + token);
            }
            if (range != null) {
                request.header("Range", "bytes=" + range);
            }
            HttpResponse<InputStream> response =
                    client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
            first = first == null ? response.headers() : first;
            if (!REDIRECTS.contains(response.statusCode())) {
                return new Answer(first, response);
            }
            response.body().close();
            String location = response.headers().firstValue("Location").orElse("");
            at = redirected(at, location);
        }
        throw new HubException("%s redirects more than %d times.".formatted(uri, MAX_REDIRECTS));
    }

    private URI redirected(URI from, String location) {
        try {
            URI to = from.resolve(location);
            if (to.getHost() != null && (isSecure(to) || (!isSecure(from) && (isLoopback(to) || isServer(to))))) {
                return to;
            }
        } catch (IllegalArgumentException e) {
            throw new HubException(
                    "%s redirects to '%s', which is no address.".formatted(server, HubException.clean(location)), e);
        }
        throw new HubException("%s redirects to %s, which is not https and is not followed."
                .formatted(server, HubException.clean(location)));
    }

    /** Whether an address is at the server that was named, on the same port. */
    private boolean isServer(URI uri) {
        return server.getScheme().equalsIgnoreCase(uri.getScheme())
                && server.getHost().equalsIgnoreCase(uri.getHost())
                && port(server) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : isSecure(uri) ? 443 : 80;
    }

    private static boolean isSecure(URI uri) {
        return "https".equalsIgnoreCase(uri.getScheme());
    }

    /** By its spelling: no name server is asked. */
    private static boolean isLoopback(URI uri) {
        String host = uri.getHost();
        return "http".equalsIgnoreCase(uri.getScheme())
                && (host.equals("localhost") || host.equals("[::1]") || host.matches("127(\\.\\d{1,3}){3}"));
    }

    /**
     * What an answer that is no success means: returned if another try may help, else thrown.
     *
     * @throws HubException what is wrong, and what to do
     */
    IOException refusal(Answer answer, URI uri) {
        int status = answer.status();
        String code = answer.first.firstValue("X-Error-Code").orElse("");
        String host = server.getAuthority();
        if (status == 429 || status == 408 || status >= 500) {
            return later(answer, host);
        }
        if (!isServer(answer.last.uri())) {
            // An address that the hub signed and that is no longer valid: the next try gets a new one.
            return new IOException(
                    "%s answers with status %d".formatted(answer.last.uri().getAuthority(), status));
        }
        if (code.equals("GatedRepo") || status == 403) {
            throw new HubException(
                    token == null
                            ? "%s is gated: its owner wants you to accept terms. Do so at %s, then set HF_TOKEN to a token from https://huggingface.co/settings/tokens."
                                    .formatted(name.id(), name.page())
                            : "%s does not let your token have %s (status %d). Open %s, accept the terms there, and check that the token may read gated repositories."
                                    .formatted(host, name.id(), status, name.page()));
        }
        if (status == 401 && token != null && !code.equals("RepoNotFound")) {
            throw new HubException(
                    "%s does not accept the token (status 401). Set HF_TOKEN to a valid one from https://huggingface.co/settings/tokens, or unset it."
                            .formatted(host));
        }
        if (code.equals("RevisionNotFound")) {
            throw new HubException("%s has no revision '%s'. Its branches are listed at %s."
                    .formatted(name.id(), name.revisionOrBranch(), name.page()));
        }
        if (status == 401 || status == 404) {
            throw new HubException("%s has no public model '%s'%s (status %d). %s%s"
                    .formatted(
                            host,
                            name.id(),
                            name.revision() == null ? "" : " at revision '" + name.revision() + "'",
                            status,
                            ModelName.EXAMPLES,
                            name.site() == Site.HUGGING_FACE && token == null
                                    ? " If it is private or gated, set HF_TOKEN to a token from https://huggingface.co/settings/tokens."
                                    : ""));
        }
        throw new HubException("%s answers with status %d.".formatted(uri, status));
    }

    private static IOException later(Answer answer, String host) {
        long millis = -1;
        String after = answer.header("Retry-After");
        if (after != null && after.matches("\\d{1,9}")) {
            millis = Long.parseLong(after) * 1000;
        } else if (after != null) {
            try {
                Instant then = ZonedDateTime.parse(after, DateTimeFormatter.RFC_1123_DATE_TIME)
                        .toInstant();
                millis = Math.max(0, Duration.between(Instant.now(), then).toMillis());
            } catch (DateTimeParseException e) {
                millis = -1; // a server that writes nonsense has said nothing
            }
        }
        String wait = millis > 0 ? " It asks to wait %d seconds.".formatted((millis + 999) / 1000) : "";
        return new Patience.LaterException(
                answer.status() == 429
                        ? "%s has had too many requests from here (status 429).%s With a token in HF_TOKEN it allows more."
                                .formatted(host, wait)
                        : "%s is in trouble (status %d).%s".formatted(host, answer.status(), wait),
                millis);
    }

    /** A failure that no other try has mended. */
    HubException unreachable(IOException failure) {
        String host = server.getAuthority();
        String hint = " Try again later: what has come is kept.";
        if (failure instanceof Patience.LaterException) {
            return new HubException(failure.getMessage() + hint, failure);
        }
        if (failure instanceof ConnectException) {
            return new HubException(
                    "%s cannot be reached. Check the network; --mirror URL or HF_ENDPOINT names another server."
                            .formatted(host),
                    failure);
        }
        if (failure instanceof SSLException) {
            return new HubException(
                    "%s cannot be trusted: %s. Check the clock, and whether a proxy is in between."
                            .formatted(host, failure.getMessage()),
                    failure);
        }
        String why = failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage();
        return new HubException("the connection to %s failed: %s.%s".formatted(host, why, hint), failure);
    }

    @Override
    public void close() {
        client.shutdownNow();
        client.close();
    }
}
