package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

final class StreamingDecoderTest {
    private final Tokenizer tiny = Tiny.open();

    @Test
    void textsTogetherAreTheDecodingOfAllIds() {
        for (JsonNode golden : Golden.json(Tiny.DIRECTORY.resolve("tiny.json"))) {
            int[] ids = tiny.encode(golden.get("text").asString());
            assertStreams(ids, "golden " + golden.get("text"));
        }
    }

    @Test
    void anyIdsInAnyOrderStreamAsTheyDecode() {
        long seed = 99;
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 20_000; round++) {
            // Mostly parts of characters: bytes 0x80 to 0xff are tokens 94 to 187 and others; all of 94..319 are tried.
            int[] ids = random.ints(random.nextInt(10), 94, random.nextBoolean() ? 260 : 368)
                    .toArray();
            assertStreams(ids, "seed %d, round %d, ids %s".formatted(seed, round, Arrays.toString(ids)));
        }
    }

    @Test
    void everyStartOfACharacterThatIsCutOffBecomesOneReplacement() {
        // The practice that the Unicode standard recommends (section 3.9, table 3-8 to 3-11) and the reference follows.
        assertThat(decode(0xc0, 0xaf, 0xe0, 0x80, 0xbf, 0xf0, 0x81, 0x82, 0x41)).isEqualTo("\ufffd".repeat(8) + "A");
        assertThat(decode(0xed, 0xa0, 0x80, 0xed, 0xbf, 0xbf, 0xed, 0xaf, 0x41)).isEqualTo("\ufffd".repeat(8) + "A");
        assertThat(decode(0xf4, 0x91, 0x92, 0x93, 0xff, 0x41, 0x80, 0xbf, 0x42))
                .isEqualTo("\ufffd".repeat(5) + "A\ufffd\ufffdB");
        assertThat(decode(0xe1, 0x80, 0xe2, 0xf0, 0x91, 0x92, 0xf1, 0xbf, 0x41)).isEqualTo("\ufffd".repeat(4) + "A");
        assertThat(decode(0xf0, 0x9f, 0x98)).isEqualTo("\ufffd");
        assertThat(decode(0xf8, 0x88, 0x80, 0x80, 0x80)).isEqualTo("\ufffd".repeat(5));
    }

    @Test
    void aCharacterComesWithItsLastByteAndNotBefore() {
        StreamingDecoder decoder = new StreamingDecoder(tiny, false);
        StringBuilder texts = new StringBuilder();
        for (byte b : "é世😀".getBytes(StandardCharsets.UTF_8)) {
            texts.append(decoder.feed(byteToken(b & 0xff))).append('|');
        }
        assertThat(texts.append(decoder.finish())).asString().isEqualTo("|é|||世||||😀|");
    }

    @Test
    void aSkippedTokenInsideACharacterDoesNotCutIt() {
        int[] ids = {byteToken(0xc3), 322, byteToken(0xa9)};
        assertThat(tiny.decode(ids, true)).isEqualTo("é");
        assertThat(tiny.decode(ids, false)).isEqualTo("\ufffd<|im_end|>\ufffd");
    }

    @Test
    void afterFinishAnotherStreamCanBegin() {
        StreamingDecoder decoder = new StreamingDecoder(tiny, false);
        decoder.feed(byteToken(0xe4));
        assertThat(decoder.finish()).isEqualTo("\ufffd");
        assertThat(decoder.feed(byteToken(0x80))).isEqualTo("\ufffd");
        assertThat(decoder.finish()).isEmpty();
    }

    private void assertStreams(int[] ids, String what) {
        for (boolean skip : new boolean[] {false, true}) {
            StreamingDecoder decoder = new StreamingDecoder(tiny, skip);
            StringBuilder texts = new StringBuilder();
            for (int id : ids) {
                String text = decoder.feed(id);
                assertThat(Normalization.wellFormed(text)).as(what).isEqualTo(text);
                texts.append(text);
            }
            texts.append(decoder.finish());
            assertThat(texts.toString()).as(what).isEqualTo(tiny.decode(ids, skip));
        }
    }

    private String decode(int... bytes) {
        int[] ids = Arrays.stream(bytes).map(this::byteToken).toArray();
        assertStreams(ids, "bytes");
        return tiny.decode(ids);
    }

    private int byteToken(int b) {
        for (int id = 0; id < 256; id++) {
            if (tiny.bytes(id)[0] == (byte) b) {
                return id;
            }
        }
        throw new AssertionError(b);
    }
}
