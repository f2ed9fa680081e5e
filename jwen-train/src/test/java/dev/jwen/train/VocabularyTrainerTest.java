package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.tokenizer.ByteAlphabet;
import dev.jwen.tokenizer.Normalization;
import dev.jwen.tokenizer.SplitPattern;
import dev.jwen.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class VocabularyTrainerTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private static final List<String> TEXTS = List.of(
            "<|im_start|>user\nWhat is 4711 + 1234? Please think first.<|im_end|>\n<|im_start|>assistant\n<think>\n",
            "the cat sat on the mat; the other cat's mat isn't that cat's mat. Banana, bananas, ananas!",
            "aaaaaaa aaaa aa aaaaa abababab abcabcabc bcbcbc cabcab",
            "Zürich, Zu\u0308rich, 東京, 東京都, Привет, привет! \uD83D\uDE00\uD83D\uDE00 \uD83D\uDC68\u200D\uD83D\uDC69",
            "    indented\n    twice\n\tby tabs\r\n\r\n\r\n2024-10-31 100000",
            "{\"name\": \"read\", \"arguments\": {\"path\": \"a.txt\"}} {\"name\": \"edit\", \"arguments\": {}}");

    @TempDir
    Path directory;

    private static TrainedVocabulary train(List<String> texts, int size) {
        VocabularyTrainer trainer = new VocabularyTrainer();
        texts.forEach(trainer::add);
        return trainer.train(size, done -> {});
    }

    @Test
    void theRulesAreThoseOfCountingEverythingAnewAtEachStep() {
        assertThat(train(TEXTS, 1_000)).isEqualTo(countingAnew(TEXTS, 1_000));
        Random random = new Random(7);
        for (int round = 0; round < 200; round++) {
            List<String> texts = IntStream.range(0, 1 + random.nextInt(5))
                    .mapToObj(i -> random.ints(random.nextInt(60), 0, 4)
                            .mapToObj(c -> "abc ".substring(c, c + 1))
                            .collect(Collectors.joining()))
                    .toList();
            assertThat(train(texts, 400)).as("round %d: %s", round, texts).isEqualTo(countingAnew(texts, 400));
        }
    }

    /** The definition, slow: pieces by spelling, and all pairs counted at every step. */
    private static TrainedVocabulary countingAnew(List<String> texts, int size) {
        List<String> tokens = IntStream.range(0, 256)
                .mapToObj(b -> String.valueOf(ByteAlphabet.characterOf(b)))
                .sorted()
                .collect(Collectors.toCollection(ArrayList::new));
        List<List<String>> pieces = new ArrayList<>();
        for (String text : texts) {
            for (String part : text.split("<\\|im_(start|end)\\|>|<think>", -1)) {
                for (String piece : SplitPattern.QWEN35.pieces(Normalization.nfc(part))) {
                    List<String> bytes = new ArrayList<>();
                    for (byte b : piece.getBytes(StandardCharsets.UTF_8)) {
                        bytes.add(String.valueOf(ByteAlphabet.characterOf(b & 0xff)));
                    }
                    pieces.add(bytes);
                }
            }
        }
        List<String> rules = new ArrayList<>();
        while (tokens.size() + 33 < size) {
            Map<List<Integer>, Integer> counts = new TreeMap<>(
                    Comparator.<List<Integer>, Integer>comparing(List::getFirst).thenComparing(List::getLast));
            for (List<String> piece : pieces) {
                for (int i = 1; i < piece.size(); i++) {
                    if (!tokens.contains(piece.get(i - 1) + piece.get(i))) {
                        counts.merge(
                                List.of(tokens.indexOf(piece.get(i - 1)), tokens.indexOf(piece.get(i))),
                                1,
                                Integer::sum);
                    }
                }
            }
            int most = counts.values().stream().max(Integer::compare).orElse(0);
            if (most < 2) {
                break;
            }
            List<Integer> pair = counts.entrySet().stream()
                    .filter(entry -> entry.getValue() == most)
                    .findFirst()
                    .orElseThrow()
                    .getKey();
            String left = tokens.get(pair.getFirst());
            String right = tokens.get(pair.getLast());
            rules.add(left + " " + right);
            tokens.add(left + right);
            for (List<String> piece : pieces) {
                for (int i = 0; i + 1 < piece.size(); i++) {
                    if (piece.get(i).equals(left) && piece.get(i + 1).equals(right)) {
                        piece.set(i, left + right);
                        piece.remove(i + 1);
                    }
                }
            }
        }
        return new TrainedVocabulary(tokens, rules);
    }

    @Test
    void theOrderOfTextsDoesNotMatter() {
        TrainedVocabulary expected = train(TEXTS, 400);
        List<String> shuffled = new ArrayList<>(TEXTS);
        for (int seed = 0; seed < 5; seed++) {
            Collections.shuffle(shuffled, new Random(seed));
            assertThat(train(shuffled, 400)).isEqualTo(expected);
        }
    }

    @Test
    void anyTextSurvivesTheWrittenFiles() {
        train(TEXTS, 400).write(directory);
        Tokenizer tokenizer = Tokenizer.open(directory);
        List<String> hostile = new ArrayList<>(TEXTS);
        hostile.addAll(List.of(
                "", "\0\1\u007f", "\uD83E\uDDD1\uD83C\uDFFD\u200D\uD83D\uDE80", "Ġ Ċ", "<|im_end|", "<think><think>"));
        Random random = new Random(11);
        for (int i = 0; i < 50; i++) {
            hostile.add(random.ints(40, 0, 0x2FFFF)
                    .filter(c -> c < 0xD800 || c > 0xDFFF)
                    .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                    .toString());
        }
        for (String text : hostile) {
            assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(Normalization.nfc(text));
            assertThat(tokenizer.decode(tokenizer.encodeUntrusted(text))).isEqualTo(Normalization.nfc(text));
        }
        assertThat(tokenizer.decode(tokenizer.encode("a\uD800b"))).isEqualTo("a\uFFFDb");
    }

    @Test
    void theFilesAndTheListsAreOneTokenizer() {
        TrainedVocabulary vocabulary = train(TEXTS, 360);
        vocabulary.write(directory);
        Tokenizer read = Tokenizer.open(directory);
        assertThat(read.vocabularySize()).isEqualTo(vocabulary.size()).isEqualTo(360);
        assertThat(read.addedTokens()).isEqualTo(vocabulary.tokenizer().addedTokens());
        for (String text : TEXTS) {
            assertThat(read.encode(text)).isEqualTo(vocabulary.tokenizer().encode(text));
        }
    }

    @Test
    void addedTokensAreOneIdEachAndFollowTheVocabulary() {
        TrainedVocabulary vocabulary = train(TEXTS, 350);
        Tokenizer tokenizer = vocabulary.tokenizer();
        assertThat(tokenizer.encode("<|endoftext|><|im_start|><|im_end|>")).containsExactly(317, 318, 319);
        for (int i = 0; i < AddedTokens.ALL.size(); i++) {
            AddedTokens.Token token = AddedTokens.ALL.get(i);
            assertThat(tokenizer.encode(token.content())).containsExactly(317 + i);
            assertThat(tokenizer.isSpecial(317 + i)).isEqualTo(token.special());
        }
        assertThat(tokenizer.vocabularySize()).isEqualTo(350);
    }

    @Test
    void addedTokensInTextsAreNotLearntFrom() {
        List<String> texts = Collections.nCopies(10, "<tool_call><think></think>\uD83D\uDE00<|im_end|>");
        assertThat(train(texts, 1_000).rules()).hasSize(3); // the four bytes of the face
    }

    @Test
    void digitsStaySingle() {
        TrainedVocabulary vocabulary = train(Collections.nCopies(20, "1234 1234 x1234 12.34"), 1_000);
        assertThat(vocabulary.tokens().stream().filter(t -> t.length() > 1)).noneMatch(t -> t.matches(".*[0-9].*"));
        assertThat(vocabulary.tokenizer().encode("90125")).hasSize(5);
    }

    @Test
    void frequentWordsBecomeOneTokenAndWhatOccursOnceDoesNot() {
        List<String> texts = List.of("the the the the", "once");
        TrainedVocabulary vocabulary = train(texts, 100_000);
        assertThat(vocabulary.rules()).containsExactly("h e", "t he", "Ġ the");
        assertThat(vocabulary.size()).isEqualTo(VocabularyTrainer.SMALLEST + 3);
    }

    @Test
    void aPairThatWouldSpellATokenAgainIsLeftAlone() {
        for (int seed = 0; seed < 20; seed++) {
            List<String> texts = new Random(seed)
                    .ints(200, 0, 3)
                    .mapToObj(c -> "abc".substring(c, c + 1))
                    .toList();
            TrainedVocabulary vocabulary = train(List.of(String.join("", texts)), 400);
            assertThat(vocabulary.tokens()).doesNotHaveDuplicates();
            assertThat(vocabulary.tokens()).hasSize(256 + vocabulary.rules().size());
        }
    }

    @Test
    void trainingGoesOnWithMoreTexts() {
        VocabularyTrainer trainer = new VocabularyTrainer();
        trainer.add(TEXTS.get(0));
        trainer.train(300, done -> {});
        TEXTS.subList(1, TEXTS.size()).forEach(trainer::add);
        List<Integer> joined = new ArrayList<>();
        assertThat(trainer.train(300, joined::add)).isEqualTo(train(TEXTS, 300));
        assertThat(joined).isEqualTo(IntStream.rangeClosed(1, 11).boxed().toList());
    }

    @Test
    void aVocabularyWithoutRoomForTheBytesIsRefused() {
        assertThat(train(TEXTS, 289).rules()).isEmpty();
        assertThatThrownBy(() -> train(TEXTS, 288))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("288")
                .hasMessageContaining("289");
    }

    @Test
    void filesHaveTheStructureOfThePublishedOnes() {
        train(TEXTS, 353).write(directory);
        Path golden = Golden.shared("golden/dense-text/checkpoint");
        JsonNode expected = json(golden.resolve("tokenizer.json"));
        JsonNode written = json(directory.resolve("tokenizer.json"));
        assertThat(written.propertyNames()).isEqualTo(expected.propertyNames());
        assertThat(written.get("added_tokens")).isEqualTo(expected.get("added_tokens"));
        for (String part : List.of("version", "truncation", "padding", "normalizer", "post_processor")) {
            assertThat(written.get(part)).as(part).isEqualTo(expected.get(part));
        }
        assertThat(written.at("/pre_tokenizer/pretokenizers/0"))
                .isEqualTo(expected.at("/pre_tokenizer/pretokenizers/0"));
        assertThat(written.at("/model").propertyNames())
                .isEqualTo(expected.at("/model").propertyNames());
        assertThat(List.copyOf(written.at("/model/vocab").propertyNames()).subList(0, 256))
                .isEqualTo(
                        List.copyOf(expected.at("/model/vocab").propertyNames()).subList(0, 256));
        JsonNode config = json(golden.resolve("tokenizer_config.json"));
        json(directory.resolve("tokenizer_config.json"))
                .properties()
                .forEach(
                        entry -> assertThat(entry.getValue()).as(entry.getKey()).isEqualTo(config.get(entry.getKey())));
    }

    @Test
    void addedTokensAreThoseOfQwen35() {
        JsonNode expected = json(Golden.shared("data/qwen35/added-tokens.json"));
        assertThat(AddedTokens.ALL)
                .isEqualTo(expected.valueStream()
                        .map(t -> new AddedTokens.Token(
                                t.get("content").asString(), t.get("special").asBoolean()))
                        .toList());
    }

    @Test
    void aPieceMayBeAsLongAsATextAndTheDirectoryIsMade() {
        char[] letters = new char[300_000];
        Random random = new Random(5);
        for (int i = 0; i < letters.length; i++) {
            letters[i] = (char) ('a' + random.nextInt(26));
        }
        TrainedVocabulary vocabulary = train(List.of(new String(letters)), 800);
        assertThat(vocabulary.size()).isEqualTo(800);
        vocabulary.write(directory.resolve("made/on/the/way"));
        assertThat(directory.resolve("made/on/the/way/tokenizer.json")).exists();
    }

    private static JsonNode json(Path file) {
        return JSON.readTree(file.toFile());
    }
}
