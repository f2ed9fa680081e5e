package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Ids, texts and pieces that the reference implementation gave. */
final class TokenizerGoldenTest {
    private static final String QWEN3 = "data/qwen35/qwen3-tokenizer.json.gz";

    @TempDir
    private Path directory;

    @Test
    void tinyTokenizerGivesTheIdsOfTheReference() {
        assertCases(
                Tiny.open(), Golden.json(Tiny.DIRECTORY.resolve("tiny.json")).values());
    }

    @Test
    void bothPatternsCutTextAsTheReferenceDoes() {
        int different = 0;
        for (JsonNode golden : Golden.json(Tiny.DIRECTORY.resolve("pieces.json"))) {
            String nfc = golden.get("nfc").asString();
            assertThat(Normalization.nfc(golden.get("text").asString())).isEqualTo(nfc);
            assertThat(SplitPattern.QWEN2.pieces(nfc)).as(nfc).isEqualTo(strings(golden.get("qwen3")));
            assertThat(SplitPattern.QWEN35.pieces(nfc)).as(nfc).isEqualTo(strings(golden.get("qwen35")));
            different += golden.get("qwen3").equals(golden.get("qwen35")) ? 0 : 1;
        }
        assertThat(different).isEqualTo(49);
    }

    @Test
    void qwen3VocabularyGivesTheIdsOfTheReferenceWithBothPatterns() throws IOException {
        Path file = directory.resolve("tokenizer.json");
        String json = new String(gunzip(QWEN3), StandardCharsets.UTF_8);
        Files.writeString(file, json);
        assertCases(
                Tokenizer.readJson(file),
                Golden.json(Golden.shared("golden/tokenizer/qwen3.json"))
                        .get("cases")
                        .values());

        Files.writeString(file, json.replace(quoted(SplitPattern.QWEN2.regex()), quoted(SplitPattern.QWEN35.regex())));
        assertCases(
                Tokenizer.readJson(file),
                Golden.json(Golden.shared("golden/tokenizer/qwen3-vocab-qwen35-regex.json"))
                        .get("cases")
                        .values());
    }

    @Test
    void mixedTextGivesTheIdsOfTheReference() throws IOException {
        String mixed = Files.readString(Golden.shared("golden/tokenizer/mixed.txt"));
        assertThat(Tiny.open().encode(mixed)).isEqualTo(ints("golden/tokenizer/mixed-tiny.i32.gz"));

        Path file = Files.write(directory.resolve("tokenizer.json"), gunzip(QWEN3));
        int[] expected = ints("golden/tokenizer/mixed-qwen3.i32.gz");
        Tokenizer qwen3 = Tokenizer.readJson(file);
        assertThat(qwen3.encode(mixed)).isEqualTo(expected);
        assertThat(qwen3.encode(mixed)).as("from the cache").isEqualTo(expected);
        assertThat(qwen3.decode(expected)).isEqualTo(Normalization.nfc(mixed));
    }

    @Test
    void mixedTextGivesThePiecesOfTheReference() throws IOException {
        String mixed = Normalization.nfc(Files.readString(Golden.shared("golden/tokenizer/mixed.txt")));
        assertThat(lengths(SplitPattern.QWEN2.pieces(mixed)))
                .isEqualTo(ints("golden/tokenizer/mixed-piece-lengths-qwen3.i32.gz"));
        assertThat(lengths(SplitPattern.QWEN35.pieces(mixed)))
                .isEqualTo(ints("golden/tokenizer/mixed-piece-lengths-qwen35.i32.gz"));
    }

    @Test
    void qwen2VectorsHold() throws IOException {
        Path file = Files.write(directory.resolve("tokenizer.json"), gunzip(QWEN3));
        Tokenizer tokenizer = Tokenizer.readJson(file);
        String[] texts = Files.readString(Golden.shared("data/qwen35/qwen2-bpe-vectors.inp"))
                .split("\n__ggml_vocab_test__\n", -1);
        List<String> ids = Files.readAllLines(Golden.shared("data/qwen35/qwen2-bpe-vectors.out"));
        assertThat(ids).hasSizeGreaterThan(40);
        for (int i = 0; i < ids.size(); i++) {
            int[] expected = Arrays.stream(ids.get(i).split(" "))
                    .filter(id -> !id.isEmpty())
                    .mapToInt(Integer::parseInt)
                    .toArray();
            assertThat(tokenizer.encode(texts[i])).as(texts[i]).isEqualTo(expected);
        }
    }

    @Test
    void noTokenOfThePublishedQwen35ExampleReachesOverTheEndOfAPiece() {
        JsonNode golden = Golden.json(Golden.shared("data/qwen35/tokenizer-golden.json"));
        String text = golden.get("text").asString();
        Set<Integer> tokenEnds = new TreeSet<>();
        int bytes = 0;
        for (String token : strings(golden.get("tokens"))) {
            bytes += token.length(); // one character of the byte alphabet per byte
            tokenEnds.add(bytes);
        }
        Set<Integer> pieceEnds = new TreeSet<>();
        int end = 0;
        for (String piece : SplitPattern.QWEN35.pieces(text)) {
            end += piece.getBytes(StandardCharsets.UTF_8).length;
            pieceEnds.add(end);
        }
        assertThat(end).isEqualTo(bytes);
        assertThat(tokenEnds).containsAll(pieceEnds);
    }

    @Test
    void addedTokensAreThoseOfQwen35() {
        Tokenizer tiny = Tiny.open();
        int shift = 248_044 - 320;
        int count = 0;
        for (JsonNode added : Golden.json(Golden.shared("data/qwen35/added-tokens.json"))) {
            int id = added.get("id").asInt() - shift;
            assertThat(tiny.token(id)).isEqualTo(added.get("content").asString());
            assertThat(tiny.isSpecial(id)).isEqualTo(added.get("special").asBoolean());
            count++;
        }
        assertThat(count).isEqualTo(33);
    }

    private static void assertCases(Tokenizer tokenizer, Iterable<JsonNode> cases) {
        int count = 0;
        for (JsonNode golden : cases) {
            String text = golden.get("text").asString();
            int[] ids = tokenizer.encode(text);
            assertThat(ids).as(text).isEqualTo(ints(golden.get("ids")));
            assertThat(tokenizer.decode(ids)).isEqualTo(golden.get("decoded").asString());
            assertThat(tokenizer.decode(ids, true))
                    .isEqualTo(golden.get("decoded_skip_special").asString());
            count++;
        }
        assertThat(count).isEqualTo(235);
    }

    private static int[] ints(JsonNode array) {
        return array.values().stream().mapToInt(JsonNode::asInt).toArray();
    }

    private static List<String> strings(JsonNode array) {
        List<String> strings = new ArrayList<>();
        array.forEach(string -> strings.add(string.asString()));
        return strings;
    }

    private static int[] lengths(List<String> pieces) {
        return pieces.stream()
                .mapToInt(piece -> piece.codePointCount(0, piece.length()))
                .toArray();
    }

    private static int[] ints(String relative) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(gunzip(relative)).order(ByteOrder.LITTLE_ENDIAN);
        int[] ints = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(ints);
        return ints;
    }

    private static byte[] gunzip(String relative) throws IOException {
        try (InputStream in = new GZIPInputStream(Files.newInputStream(Golden.shared(relative)))) {
            return in.readAllBytes();
        }
    }

    private static String quoted(String regex) {
        return '"' + regex.replace("\\", "\\\\") + '"';
    }
}
