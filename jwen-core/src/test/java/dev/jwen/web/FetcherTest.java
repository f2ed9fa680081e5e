package dev.jwen.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class FetcherTest {
    private static final byte[] PICTURE = new byte[100_000];
    private static final FetchLimits LIMITS = new FetchLimits(200_000, Duration.ofSeconds(5), 3, true);

    private HttpServer server;
    private String root;

    FetcherTest() throws IOException {
        Arrays.fill(PICTURE, (byte) 7);
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        root = "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @BeforeEach
    void start() {
        server.createContext("/picture", exchange -> answer(exchange, 200, "image/png", PICTURE, PICTURE.length));
        server.createContext("/chunked", exchange -> answer(exchange, 200, "image/png", PICTURE, 0));
        server.createContext("/large", exchange -> answer(exchange, 200, "image/png", new byte[200_001], 200_001));
        server.createContext("/endless", exchange -> answer(exchange, 200, "image/png", new byte[900_000], 0));
        server.createContext("/page", exchange -> answer(exchange, 200, "text/html; charset=utf-8", PICTURE, 10));
        server.createContext("/gone", exchange -> answer(exchange, 404, "text/html", new byte[10], 10));
        server.createContext("/empty", exchange -> answer(exchange, 200, "image/png", new byte[0], -1));
        redirect("/moved", "/picture?size=1");
        redirect("/loop", "/loop");
        redirect("/private", "http://127.0.0.2:1/metadata");
        redirect("/metadata", "http://169.254.169.254/latest");
        redirect("/file", "file:///etc/passwd");
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void redirect(String from, String to) {
        server.createContext(from, exchange -> {
            exchange.getResponseHeaders().add("Location", to);
            exchange.sendResponseHeaders(302, -1);
            exchange.close();
        });
    }

    private static void answer(HttpExchange exchange, int status, String type, byte[] body, long length)
            throws IOException {
        exchange.getResponseHeaders().add("Content-Type", type);
        exchange.sendResponseHeaders(status, length);
        try (OutputStream out = exchange.getResponseBody()) {
            if (length >= 0) {
                out.write(body, 0, length == 0 ? body.length : (int) length);
            }
        } catch (IOException e) {
            // The client has had enough.
        }
        exchange.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/picture", "/chunked", "/moved", "/picture/with?a=b&c=%20d"})
    void aPictureArrivesWhole(String path) {
        assertThat(new Fetcher(LIMITS).fetch(root + path)).isEqualTo(PICTURE);
    }

    @Test
    void anEmptyAnswerIsEmpty() {
        assertThat(new Fetcher(LIMITS).fetch(root + "/empty")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    /large    | more than the 200000 bytes
                    /endless  | more than the 200000 bytes
                    /page     | is text/html, expected a picture or video
                    /gone     | status 404
                    /loop     | redirects more than 3 times
                    /file     | is no http or https address
                    """)
    void whatIsNoPictureIsRefused(String path, String why) {
        assertRefused(new Fetcher(LIMITS), root + path, why);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://127.0.0.1:1/a", "http://localhost/a", "http://10.1.2.3/", "http://172.16.0.1/",
                "http://192.168.1.1/", "http://169.254.169.254/", "http://100.64.0.1/", "http://0.0.0.0/",
                "http://[::1]/", "http://[fe80::1]/", "http://[fd00::1]/", "http://[::ffff:127.0.0.1]/",
                "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::127.0.0.1]/", "http://224.0.0.1/",
                "http://2130706433/", "http://0x7f000001/"
            })
    void thisMachineAndItsNetworkAreNotAsked(String address) {
        assertThatExceptionOfType(WebException.class)
                .isThrownBy(() -> new Fetcher(FetchLimits.DEFAULT).fetch(address))
                .withMessageMatching("(?s).*(private network|there is no host|must name a host).*");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/private", "/metadata"})
    void aRedirectIsCheckedLikeTheAddressItself(String path) {
        // 127.0.0.1 plays the public host here.
        InetAddress here = InetAddress.getLoopbackAddress();
        Fetcher fetcher = new Fetcher(LIMITS, address -> address.equals(here) || Addresses.isPublic(address));
        assertThat(fetcher.fetch(root + "/picture")).hasSize(PICTURE.length);
        assertRefused(fetcher, root + path, "private network");
    }

    @ParameterizedTest
    @CsvSource({
        "8.8.8.8, true",
        "1.1.1.1, true",
        "172.32.0.1, true",
        "2606:4700::1111, true",
        "198.18.0.1, false",
        "192.0.0.8, false",
        "240.0.0.1, false",
        "2002:0808:0808::, true",
        "64:ff9b::808:808, true",
        "2001::1, false"
    })
    void publicAddressesAreKnown(String address, boolean isPublic) throws UnknownHostException {
        assertThat(Addresses.isPublic(InetAddress.getByName(address))).isEqualTo(isPublic);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"ftp://example.org/a", "cat.png", "http://", "http://user:secret@example.org/", "http://a b/"})
    void whatIsNoAddressIsRefused(String address) {
        assertThatExceptionOfType(WebException.class).isThrownBy(() -> new Fetcher(LIMITS).fetch(address));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"})
    void aHostThatTricklesIsGivenUpInTime(String head) throws Exception {
        try (ServerSocket slow = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread trickle = Thread.ofVirtual().start(() -> {
                try (Socket socket = slow.accept()) {
                    socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                    while (true) {
                        socket.getOutputStream().write('x');
                        socket.getOutputStream().flush();
                        Thread.sleep(50);
                    }
                } catch (IOException | InterruptedException e) {
                    // The client has gone.
                }
            });
            FetchLimits brief = new FetchLimits(1_000_000, Duration.ofMillis(700), 0, true);
            assertRefused(new Fetcher(brief), "http://127.0.0.1:" + slow.getLocalPort() + "/", "did not answer within");
            trickle.interrupt();
        }
    }

    @Test
    void aBodyThatIsCutIsRefused() throws Exception {
        try (ServerSocket cut = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread server = Thread.ofVirtual().start(() -> {
                try (Socket socket = cut.accept()) {
                    socket.getInputStream().readNBytes(4);
                    String head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc";
                    socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                } catch (IOException e) {
                    // The client has gone.
                }
            });
            assertRefused(new Fetcher(LIMITS), "http://127.0.0.1:" + cut.getLocalPort() + "/", "cannot be fetched");
            server.join();
        }
    }

    private static void assertRefused(Fetcher fetcher, String address, String why) {
        assertThatExceptionOfType(WebException.class)
                .isThrownBy(() -> fetcher.fetch(address))
                .withMessageContaining(why);
    }
}
