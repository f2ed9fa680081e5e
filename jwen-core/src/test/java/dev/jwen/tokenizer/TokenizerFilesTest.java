package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Broken and lying files: one clear error, whatever is wrong. */
final class TokenizerFilesTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "\"model\":§\"mode\":§expected model/type to be \"BPE\", found nothing",
                "\"type\":\"BPE\"§\"type\":\"Unigram\"§expected model/type to be \"BPE\", found \"Unigram\"",
                "\"ignore_merges\":false§\"ignore_merges\":true§expected model/ignore_merges to be false, found true",
                "\"dropout\":null§\"dropout\":0.1§expected model/dropout to be null, found 0.1",
                "\"type\":\"NFC\"§\"type\":\"NFKC\"§expected normalizer/type to be \"NFC\", found \"NFKC\"",
                "\"normalizer\":{\"type\":\"NFC\"}§\"normalizer\":null§normalizer/type to be \"NFC\", found nothing",
                "\\\\p{N}|§\\\\p{N}{1,3}|§expected the split pattern of Qwen 3.5 or that of Qwen 2, found \"(?i:'s|",
                "\"Isolated\"§\"Removed\"§pretokenizers/0/behavior to be \"Isolated\", found \"Removed\"",
                "\"use_regex\":false§\"use_regex\":true§pretokenizers/1/use_regex to be false, found true",
                "\"post_processor\":null§\"post_processor\":{\"type\":\"Bert\"}§post_processor/type to be \"ByteLevel\"",
                "\"vocab\":{§\"vocab\":[],\"x\":{§expected the vocabulary to be an object, found an array",
                "\"vocab\":{§\"vocab\":{},\"x\":{§expected a vocabulary in the model",
                "\"!\":0§\"!\":-1§the id of a token to be in 0..9999999, found -1",
                "\"!\":0§\"!\":10000000§the id of a token to be in 0..9999999, found 10000000",
                "\"!\":0§\"!\":99999999999§expected the id of a token to be an integer, found 99999999999",
                "\"!\":0§\"!\":0.5§expected the id of a token to be an integer, found 0.5",
                "\"!\":0§\"!\":\"0\"§expected the id of a token to be an integer, found the string \"0\"",
                "\"!\":0§\"!\":[[0]]§expected the id of a token to be an integer, found an array",
                "\"!\":0§\"!\":400§expected a token for every id up to 400, found none for 0",
                "\"!\":0,§\"!\":0,\"again\":0,§only one token with this id, but it is that of \"!\" too",
                "\"!\":0§\"#\":0§token \"#\" has the ids 0 and 2, expected one",
                "\"!\":0§\"!!\":0§no token for the byte 0x21, expected one for each of the 256",
                "\"!\":0§\"! \":0§token 0 is \"! \", expected one or more characters of the byte alphabet",
                "\"!\":0§\"\":0§token 0 is \"\", expected one or more characters of the byte alphabet",
                "\"merges\":[§\"rules\":[§expected about 64 merges for as many tokens of several bytes, found 0",
                "\"merges\":[§\"merges\":{},\"x\":[§expected the merges to be an array, found an object",
                "[\"Ġ\",\"i\"]§[\"Ġ\"]§expected the right part of a merge to be a string, found an array",
                "[\"Ġ\",\"i\"]§[\"Ġ\",\"i\",\"s\"]§expected only two parts of a merge, found the string \"s\"",
                "[\"Ġ\",\"i\"]§[\"Ġ\",7]§expected the right part of a merge to be a string, found 7",
                "[\"Ġ\",\"i\"]§7§expected a merge to be a string, found 7",
                "[\"Ġ\",\"i\"]§\"Ġi\"§merge 0 is \"Ġi\", expected two tokens",
                "[\"Ġ\",\"i\"]§[\"Ġ\",\"\"]§merge 0 is \"Ġ \", expected two tokens",
                "[\"Ġ\",\"i\"]§[\"qq\",\"i\"]§merge 0 is \"qq i\", expected its parts and its result in the vocabulary, found no left part",
                "[\"Ġ\",\"i\"]§[\"i\",\"qq\"]§merge 0 is \"i qq\", expected its parts and its result in the vocabulary, found no right part",
                "[\"Ġ\",\"i\"]§[\"q\",\"i\"]§merge 0 is \"q i\", expected its parts and its result in the vocabulary, found no result",
                "[\"h\",\"e\"]§[\"Ġ\",\"i\"]§merge \"Ġ i\" is listed at 0 and at 1, expected once",
                "\"added_tokens\":[§\"added_tokens\":7,\"x\":[§expected added_tokens to be an array, found 7",
                "\"added_tokens\":[§\"added_tokens\":[{\"id\":319,\"content\":\"<x>\"},§id 319 is both \"и\" and the added token \"<x>\"",
                "\"added_tokens\":[§\"added_tokens\":[{\"id\":320,\"content\":\"<x>\"},§id 320 is both \"<x>\" and the added token \"<|endoftext|>\"",
                "\"id\":320§\"id\":321§expected a token for every id up to 352, found none for 320",
                "\"id\":320§\"id\":-320§the id of an added token to be in 0..9999999, found -320",
                "\"id\":320§\"id\":10000000§the id of an added token to be in 0..9999999, found 10000000",
                "\"id\":320§\"ident\":320§the id of an added token to be in 0..9999999, found nothing",
                "<|endoftext|>§<|im_end|>§added token \"<|im_end|>\" has the ids 320 and 322, expected one",
                "<|endoftext|>§z§added token \"z\" has the ids 89 and 320, expected one",
                "\"content\":\"<|endoftext|>\"§\"content\":\"\"§content of added token 320 to be a string, found \"\"",
                "\"lstrip\":false§\"lstrip\":true§expected lstrip to be false, found true",
                "\"special\":true§\"special\":1§expected special to be false, found 1",
                "\"version\":\"1.0\"§\"version\"§line 1: expected JSON, found:",
            })
    void whatIsWrongIsNamed(String original, String changed, String message) throws IOException {
        String json = Files.readString(Tiny.JSON);
        assertThat(json).contains(original);
        Path file = directory.resolve("tokenizer.json");
        Files.writeString(file, json.replaceFirst(Pattern.quote(original), Matcher.quoteReplacement(changed)));
        assertRefused(() -> Tokenizer.readJson(file), file + "", message);
    }

    @Test
    void filesCutAnywhereAreRefused() throws IOException {
        byte[] json = Files.readAllBytes(Tiny.JSON);
        Path file = directory.resolve("tokenizer.json");
        for (int length = 0; length < json.length - 1; length += 37) {
            Files.write(file, Arrays.copyOf(json, length));
            assertRefused(() -> Tokenizer.readJson(file), file.toString());
        }
        Files.writeString(file, Files.readString(Tiny.JSON) + "{}");
        assertRefused(() -> Tokenizer.readJson(file), "expected nothing after the object, found an object");
    }

    @Test
    void deepNestingIsRefused() throws IOException {
        Path file = directory.resolve("tokenizer.json");
        for (String name : List.of("truncation", "normalizer", "model", "added_tokens")) {
            Files.writeString(file, "{\"" + name + "\":" + "[".repeat(2_000_000));
            assertRefused(() -> Tokenizer.readJson(file), file.toString());
            Files.writeString(file, "{\"" + name + "\":" + "{\"a\":".repeat(1_000_000));
            assertRefused(() -> Tokenizer.readJson(file), file.toString());
        }
    }

    @Test
    void moreValuesThanAnyTokenizerHasAreRefused() throws IOException {
        Path file = directory.resolve("tokenizer.json");
        Files.writeString(file, "{\"added_tokens\":[0" + ",0".repeat(4_000_000) + "]}");
        assertRefused(() -> Tokenizer.readJson(file), file.toString(), "4000001");
    }

    @Test
    void filesThatAreNotThereOrNotTextAreRefused() throws IOException {
        assertRefused(() -> Tokenizer.open(directory), directory.toString(), "tokenizer.json", "found neither");
        assertRefused(
                () -> Tokenizer.readJson(directory.resolve("none.json")), "none.json: expected a file, found none");
        assertRefused(() -> Tokenizer.readJson(directory), directory.toString());
        Path file = directory.resolve("latin1.json");
        Files.writeString(file, "{\"é\":1}", StandardCharsets.ISO_8859_1);
        assertRefused(() -> Tokenizer.readJson(file), "expected UTF-8");
        Files.writeString(file, "[]");
        assertRefused(() -> Tokenizer.readJson(file), "expected the file to be an object, found an array");
    }

    @Test
    void brokenVocabulariesAndMergeFilesAreRefused() throws IOException {
        Path vocab = directory.resolve("vocab.json");
        Path merges = directory.resolve("merges.txt");
        Files.copy(Tiny.VOCAB, vocab);
        Supplier<Tokenizer> read = () -> Tokenizer.readVocabAndMerges(vocab, merges, Tiny.CONFIG, "qwen35");
        assertRefused(read, "merges.txt: expected a file, found none");
        Files.writeString(merges, "#version: 0.2\nĠ i\n\nh e\n");
        assertRefused(read, "vocab.json and merges.txt: merge 1 is \"\", expected two tokens");
        Files.writeString(merges, "Ġ i\nh e x\n");
        assertRefused(read, "merge 1 is \"h e x\"");
        Files.write(merges, Files.readAllLines(Tiny.MERGES).subList(0, 30));
        assertRefused(read, "expected about 64 merges", "The file may be cut short");
        Files.writeString(
                merges, "#version: 0.2\r\n" + Files.readString(Tiny.MERGES).replace("\n", "\r\n"));
        assertThat(read.get().encode(" the")).isEqualTo(Tiny.open().encode(" the"));
        assertRefused(
                () -> Tokenizer.readVocabAndMerges(vocab, merges, null, "llama-bpe"),
                "expected the split pattern \"qwen35\" or \"qwen2\", found \"llama-bpe\"");
        Path config = directory.resolve("config.json");
        Files.writeString(config, "{\"added_tokens_decoder\":{\"x\":{\"content\":\"<x>\"}}}");
        assertRefused(() -> Tokenizer.readVocabAndMerges(vocab, merges, config, "qwen35"), "config.json", "found x");
        Files.writeString(vocab, "{}");
        assertRefused(read, "vocab.json");
    }

    @Test
    void brokenListsAreRefused() {
        Tiny.Lists lists = Tiny.lists(0);
        List<String> tokens = lists.tokens();
        List<Integer> types = lists.types();
        assertRefused(() -> Tokenizer.of(tokens, types.subList(0, 300), lists.merges(), "qwen35"), "found 300 and 353");
        assertRefused(() -> Tokenizer.of(tokens, types, lists.merges(), "gpt-2"), "found \"gpt-2\"");
        assertRefused(() -> Tokenizer.of(List.of(), List.of(), List.of(), "qwen35"), "no token for the byte 0x00");
        assertRefused(() -> Tokenizer.of(tokens, types, List.of("h"), "qwen35"), "merge 0 is \"h\"");
        List<Integer> badTypes = new ArrayList<>(types);
        badTypes.set(17, 6);
        assertRefused(() -> Tokenizer.of(tokens, badTypes, lists.merges(), "qwen35"), "token 17 \"2\"", "found 6");
        badTypes.set(17, 5);
        assertRefused(() -> Tokenizer.of(tokens, badTypes, lists.merges(), "qwen35"), "no token for the byte 0x32");
        List<String> emptyAdded = new ArrayList<>(tokens);
        emptyAdded.set(330, "");
        assertRefused(() -> Tokenizer.of(emptyAdded, types, lists.merges(), "qwen35"), "text of added token 330");
        List<String> nothing = Collections.nCopies(10_000_001, "");
        assertRefused(
                () -> Tokenizer.of(nothing, Collections.nCopies(10_000_001, 5), List.of(), "qwen35"),
                "at most 10000000");
    }

    @Test
    void mutatedFilesGiveATokenizerOrAClearError() throws IOException {
        long seed = 4;
        SplittableRandom random = new SplittableRandom(seed);
        List<byte[]> originals = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (Path original : List.of(Tiny.JSON, Tiny.VOCAB, Tiny.MERGES, Tiny.CONFIG)) {
            originals.add(Files.readAllBytes(original));
            files.add(Files.copy(original, directory.resolve(original.getFileName())));
        }
        int refused = 0;
        for (int round = 0; round < 2000; round++) {
            int part = round % 4;
            Path file = files.get(part);
            Files.write(file, mutate(originals.get(part), random));
            refused += readOrRefuse(
                    () -> part == 0
                            ? Tokenizer.readJson(file)
                            : Tokenizer.readVocabAndMerges(files.get(1), files.get(2), files.get(3), "qwen35"),
                    "seed %d, round %d".formatted(seed, round));
            Files.write(file, originals.get(part));
        }
        assertThat(refused).isBetween(1000, 1950);
    }

    /** One to three changes: a byte, a repeated, dropped or moved stretch, a word that JSON knows. */
    private static byte[] mutate(byte[] original, SplittableRandom random) {
        String[] words = {"null", "[]", "{}", "\"\"", "-1", "1e999", "99999999999999999999", "\\ud800", ",", "\"", " "};
        byte[] bytes = original;
        for (int change = random.nextInt(3); change >= 0 && bytes.length > 0; change--) {
            int at = random.nextInt(bytes.length);
            int end = Math.min(bytes.length, at + 1 + random.nextInt(random.nextBoolean() ? 4 : 200));
            bytes = switch (random.nextInt(5)) {
                case 0 -> splice(bytes, at, at + 1, new byte[] {(byte) random.nextInt()});
                case 1 -> splice(bytes, at, at, Arrays.copyOfRange(bytes, at, end));
                case 2 -> splice(bytes, at, end, new byte[0]);
                case 3 -> splice(bytes, random.nextInt(at + 1), at, Arrays.copyOfRange(bytes, at, end));
                default -> splice(bytes, at, end, words[random.nextInt(words.length)].getBytes(StandardCharsets.UTF_8));
            };
        }
        return bytes;
    }

    private static byte[] splice(byte[] bytes, int from, int to, byte[] inserted) {
        byte[] result = new byte[bytes.length - (to - from) + inserted.length];
        System.arraycopy(bytes, 0, result, 0, from);
        System.arraycopy(inserted, 0, result, from, inserted.length);
        System.arraycopy(bytes, to, result, from + inserted.length, bytes.length - to);
        return result;
    }

    /** Reads and uses what can be read. Anything but a TokenizerException fails the test. */
    private static int readOrRefuse(Supplier<Tokenizer> reader, String what) {
        try {
            Tokenizer tokenizer = reader.get();
            String text = "The <|im_start|> of <think>é 世 😀 in 1999\n";
            assertThat(tokenizer.decode(tokenizer.encodeUntrusted(text)))
                    .as(what)
                    .isEqualTo(text);
            tokenizer.encode(text);
            return 0;
        } catch (TokenizerException e) {
            assertThat(e.getMessage()).as(what).contains("expected").hasSizeLessThan(1000);
            return 1;
        } catch (RuntimeException e) {
            throw new AssertionError(what, e);
        }
    }

    private static void assertRefused(Supplier<Tokenizer> reader, String... message) {
        assertThatThrownBy(reader::get)
                .isInstanceOf(TokenizerException.class)
                .hasMessageContainingAll(message)
                .message()
                .hasSizeLessThan(1000);
    }
}
