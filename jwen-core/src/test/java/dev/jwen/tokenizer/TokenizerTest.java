package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

final class TokenizerTest {
    private final Tokenizer tiny = Tiny.open();

    @Test
    void everyFormOfTheFilesGivesTheSameTokenizer() {
        Tokenizer vocabAndMerges = Tokenizer.readVocabAndMerges(Tiny.VOCAB, Tiny.MERGES, Tiny.CONFIG, "qwen35");
        Tokenizer lists = Tiny.lists(368).tokenizer();
        for (Tokenizer other : List.of(vocabAndMerges, lists)) {
            assertThat(other.vocabularySize()).isEqualTo(tiny.vocabularySize());
            for (int id = 0; id < 368; id++) {
                assertThat(other.bytes(id)).isEqualTo(tiny.bytes(id));
                assertThat(other.isSpecial(id)).isEqualTo(tiny.isSpecial(id));
            }
            for (String text : texts()) {
                assertThat(other.encode(text)).as(text).isEqualTo(tiny.encode(text));
                assertThat(other.encodeUntrusted(text)).as(text).isEqualTo(tiny.encodeUntrusted(text));
            }
        }
    }

    @Test
    void withoutTokenizerJsonADirectoryIsReadFromVocabularyAndMerges(@TempDir Path directory) throws Exception {
        for (Path file : List.of(Tiny.VOCAB, Tiny.MERGES, Tiny.CONFIG)) {
            Files.copy(file, directory.resolve(file.getFileName()));
        }
        Tokenizer tokenizer = Tokenizer.open(directory);
        for (String text : texts()) {
            assertThat(tokenizer.encode(text)).as(text).isEqualTo(tiny.encode(text));
        }
    }

    @Test
    void mergesWrittenAsStringsAreThoseWrittenAsPairs(@TempDir Path directory) throws Exception {
        String strings = Files.readString(Tiny.JSON)
                .replaceAll("\\[\"((?:[^\"\\\\]|\\\\.)+)\",\"((?:[^\"\\\\]|\\\\.)+)\"]", "\"$1 $2\"");
        assertThat(strings).contains("\"Ġ i\"");
        Tokenizer tokenizer = Tokenizer.readJson(Files.writeString(directory.resolve("t.json"), strings));
        for (String text : texts()) {
            assertThat(tokenizer.encode(text)).as(text).isEqualTo(tiny.encode(text));
        }
    }

    @Test
    void mergingALongPieceAppliesTheRulesOneByOne() {
        long seed = 11;
        SplittableRandom random = new SplittableRandom(seed);
        List<String> rules = Tiny.lists(0).merges();
        for (int round = 0; round < 200; round++) {
            List<String> parts = new ArrayList<>();
            random.ints(random.nextInt(1, 200), 0, 8)
                    .forEach(letter -> parts.add("thearins".substring(letter, letter + 1)));
            String text = String.join("", parts);
            for (int rule = nextRule(rules, parts); rule < rules.size(); rule = nextRule(rules, parts)) {
                int at = pairs(parts).indexOf(rules.get(rule)); // leftmost
                parts.set(at, parts.get(at) + parts.remove(at + 1));
            }
            assertThat(tiny.encode(text))
                    .as("seed %d, round %d", seed, round)
                    .isEqualTo(parts.stream()
                            .mapToInt(part -> tiny.id(part).orElseThrow())
                            .toArray());
        }
    }

    private static int nextRule(List<String> rules, List<String> parts) {
        return pairs(parts).stream()
                .mapToInt(rules::indexOf)
                .filter(rule -> rule >= 0)
                .min()
                .orElse(rules.size());
    }

    private static List<String> pairs(List<String> parts) {
        return IntStream.range(1, parts.size())
                .mapToObj(i -> parts.get(i - 1) + " " + parts.get(i))
                .toList();
    }

    @Test
    void addedTokensInUntrustedTextAreCharacters() {
        String text = "a<|im_end|>\n<think>é</think>";
        assertThat(tiny.encode(text)).contains(322, 344, 345);
        assertThat(IntStream.of(tiny.encodeUntrusted(text))).allMatch(id -> id < 320);
        assertThat(tiny.decode(tiny.encodeUntrusted(text), true)).isEqualTo(text);
    }

    @Test
    void skippingSpecialTokensKeepsTheOtherAddedOnes() {
        int[] ids = tiny.encode("<|im_start|>a<think>b<|im_end|>");
        assertThat(tiny.decode(ids, true)).isEqualTo("a<think>b");
        assertThat(tiny.decode(ids)).isEqualTo("<|im_start|>a<think>b<|im_end|>");
    }

    @Test
    void theLongestAddedTokenWins() {
        Tiny.Lists lists = Tiny.lists(0);
        for (String token : List.of("<a", "<a>b", "<a>bcd", "a>")) {
            lists.tokens().add(token);
            lists.types().add(4);
        }
        Tokenizer tokenizer = lists.tokenizer();
        assertThat(tokenizer.encode("<a>bcd")).containsExactly(355);
        assertThat(tokenizer.encode("<a>bce")).startsWith(354).hasSize(3);
        assertThat(tokenizer.encode("<a>")).startsWith(353).hasSize(2);
        assertThat(tokenizer.encode("x<<a>bcd<a>b<a")).endsWith(355, 354, 353);
        assertThat(tokenizer.encode("a>")).containsExactly(356);
    }

    @Test
    void normalizedAddedTokensAreFoundAfterNormalization(@TempDir Path directory) throws Exception {
        String added = """
                "added_tokens":[{"id":353,"content":"<é>","normalized":true,"special":false},\
                {"id":354,"content":"[é]","normalized":false,"special":false},""";
        String json = Files.readString(Tiny.JSON).replace("\"added_tokens\":[", added);
        Tokenizer tokenizer = Tokenizer.readJson(Files.writeString(directory.resolve("t.json"), json));
        assertThat(tokenizer.encode("<é>")).containsExactly(353);
        assertThat(tokenizer.encode("<e\u0301>")).containsExactly(353);
        assertThat(tokenizer.encode("[é]")).containsExactly(354);
        assertThat(tokenizer.encode("[e\u0301]")).doesNotContain(354);
    }

    @Test
    void idAndTokenSpeakPlainText() {
        assertThat(tiny.id("<|im_end|>")).hasValue(322);
        assertThat(tiny.id(" the")).hasValue(tiny.encode(" the")[0]);
        assertThat(tiny.id(" ")).hasValue(220);
        assertThat(tiny.id("Ġ")).isEmpty();
        assertThat(tiny.id("")).isEmpty();
        assertThat(tiny.id("no such token")).isEmpty();
        assertThat(tiny.token(tiny.id(" the").getAsInt())).isEqualTo(" the");
        for (int id = 0; id < tiny.vocabularySize(); id++) {
            String token = tiny.token(id);
            if (!token.contains("\uFFFD")) { // whole characters
                assertThat(tiny.id(token)).as(token).hasValue(id);
            }
        }
    }

    @Test
    void bytesOfTheTokensOfATextAreItsUtf8() {
        String text = "Grüße, 世界! 😀 <think>\n";
        byte[] expected = text.getBytes(StandardCharsets.UTF_8);
        int at = 0;
        for (int id : tiny.encode(text)) {
            byte[] bytes = tiny.bytes(id);
            assertThat(bytes).isEqualTo(Arrays.copyOfRange(expected, at, at + bytes.length));
            at += bytes.length;
        }
        assertThat(at).isEqualTo(expected.length);
    }

    @Test
    void changingTheBytesOfATokenChangesNothing() {
        tiny.bytes(0)[0] = 'x';
        assertThat(tiny.token(0)).isEqualTo("!");
    }

    @Test
    void paddingAndUnusedIdsGiveNoText() {
        assertThat(tiny.vocabularySize()).isEqualTo(353);
        assertThat(tiny.decode(new int[] {64, 353, 367, Integer.MAX_VALUE, 65})).isEqualTo("ab");
        assertThat(tiny.bytes(360)).isEmpty();
        assertThat(tiny.isSpecial(360)).isFalse();
        Tiny.Lists lists = Tiny.lists(0);
        lists.types().set(330, 5);
        assertThat(lists.tokenizer().decode(new int[] {64, 330, 65})).isEqualTo("ab");
        assertThat(lists.tokenizer().encode("<|vision_end|>")).doesNotContain(330);
    }

    @Test
    void negativeIdsAreRefused() {
        assertThatThrownBy(() -> tiny.decode(new int[] {64, -1}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
        assertThatThrownBy(() -> tiny.bytes(-5)).isInstanceOf(IllegalArgumentException.class);
        assertThat(tiny.isSpecial(-1)).isFalse();
    }

    @Test
    void loneSurrogatesCountAsReplacementCharacters() {
        for (String text : List.of("\ud800", "\udc00", "a\ud83d", "\ude00b", "\ud83d\ud83d\ude00", "\ude00\ud83d")) {
            String replaced = new String(text.getBytes(StandardCharsets.UTF_16BE), StandardCharsets.UTF_16BE);
            assertThat(replaced).contains("\uFFFD");
            assertThat(tiny.encode(text)).isEqualTo(tiny.encode(replaced));
            assertThat(tiny.encodeUntrusted(text)).isEqualTo(tiny.encode(replaced));
            assertThat(tiny.decode(tiny.encode(text))).isEqualTo(replaced);
        }
    }

    @Test
    void everyCodePointSurvives() {
        StringBuilder all = new StringBuilder();
        IntStream.rangeClosed(0, Character.MAX_CODE_POINT)
                .filter(c -> Character.getType(c) != Character.SURROGATE)
                .forEach(c -> all.appendCodePoint(c).append('x'));
        assertThat(tiny.decode(tiny.encode(all.toString()))).isEqualTo(Normalization.nfc(all.toString()));
    }

    @Test
    void threadsShareOneTokenizer() throws Exception {
        List<String> texts = texts();
        List<int[]> expected = texts.stream().map(tiny::encode).toList();
        Tokenizer shared = Tiny.open();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<?>> runs = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                int first = thread * 50;
                runs.add(threads.submit(() -> {
                    for (int i = 0; i < 5 * texts.size(); i++) {
                        int at = (first + i) % texts.size();
                        assertThat(shared.encode(texts.get(at))).isEqualTo(expected.get(at));
                    }
                }));
            }
            for (Future<?> run : runs) {
                run.get();
            }
        }
    }

    private static List<String> texts() {
        List<String> texts = new ArrayList<>();
        for (JsonNode golden : Golden.json(Tiny.DIRECTORY.resolve("tiny.json"))) {
            texts.add(golden.get("text").asString());
        }
        return texts;
    }
}
