package dev.jwen.tokenizer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Text to token ids and back, exactly as the published tokenizer files of the Qwen models define it.
 *
 * {@snippet :
 * Tokenizer tokenizer = Tokenizer.open(checkpointDirectory);
 * int[] ids = tokenizer.encode("<|im_start|>user\n");
 * String text = tokenizer.decode(ids, false);
 * }
 *
 * <p>Encoding cuts out added tokens ({@code <|im_end|>}, {@code <think>}…), normalizes what is between them to form C,
 * cuts that into pieces, writes each as UTF-8 and merges neighbours, the rule of lowest rank first and leftmost among
 * equals. Nothing is put before or after. A lone surrogate counts as U+FFFD. Time is O(n log n) for any text.
 *
 * <p>Unicode properties and normal forms are those of the running JDK. Immutable as seen from outside; all threads may
 * share one.
 */
public final class Tokenizer {
    private final SplitPattern pattern;
    private final Vocabulary vocabulary;
    private final Merges merges;
    private final int[] byteIds = new int[256];
    private final Map<String, Integer> addedIds = new HashMap<>();
    private final AddedTokens addedVerbatim;
    private final AddedTokens addedNormalized;
    private final BitSet special = new BitSet();
    private final byte[][] tokens; // by id, with the added ones
    private final PieceCache cache = new PieceCache();

    private Tokenizer(Definition definition) {
        String source = definition.source();
        pattern = definition.pattern();
        vocabulary = new Vocabulary(source, definition.tokens());
        for (int b = 0; b < byteIds.length; b++) {
            byteIds[b] = vocabulary.find(new byte[] {(byte) b}, 0, 1);
            if (byteIds[b] < 0) {
                throw new TokenizerException(
                        "%s: no token for the byte 0x%02x, expected one for each of the 256".formatted(source, b));
            }
        }
        merges = new Merges(source, definition.merges(), vocabulary);
        int size = vocabulary.size();
        for (AddedTokens.Token token : definition.added()) {
            size = Math.max(size, token.id() + 1);
        }
        tokens = Arrays.copyOf(vocabulary.tokens(), size);
        Arrays.fill(tokens, vocabulary.size(), size, Vocabulary.NONE);
        for (AddedTokens.Token token : definition.added()) {
            add(source, token);
        }
        addedVerbatim = new AddedTokens(
                definition.added().stream().filter(t -> !t.normalized()).toList());
        addedNormalized = new AddedTokens(
                definition.added().stream().filter(t -> t.normalized()).toList());
    }

    /** A vocabulary is trained one rule per token, so far fewer rules in a text file mean that some are lost. */
    private static Tokenizer complete(Definition definition) {
        Tokenizer tokenizer = new Tokenizer(definition);
        long built = definition.tokens().stream().filter(Objects::nonNull).count() - 256;
        int rules = definition.merges().size();
        if (rules < built * 9 / 10) {
            throw new TokenizerException(
                    "%s: expected about %d merges for as many tokens of several bytes, found %d. The file may be cut short."
                            .formatted(definition.source(), built, rules));
        }
        return tokenizer;
    }

    private void add(String source, AddedTokens.Token token) {
        byte[] bytes = token.content().getBytes(StandardCharsets.UTF_8);
        int built = vocabulary.find(bytes, 0, bytes.length);
        Integer earlier = addedIds.put(token.content(), token.id());
        int other = earlier != null ? earlier : built;
        if (other >= 0 && (other != token.id() || earlier != null)) {
            throw new TokenizerException("%s: added token \"%s\" has the ids %d and %d, expected one"
                    .formatted(source, Quote.of(token.content()), other, token.id()));
        }
        byte[] present = tokens[token.id()];
        if (present.length > 0 && !Arrays.equals(present, bytes)) {
            throw new TokenizerException("%s: id %d is both \"%s\" and the added token \"%s\", expected one of them"
                    .formatted(
                            source,
                            token.id(),
                            Quote.of(new String(present, StandardCharsets.UTF_8)),
                            Quote.of(token.content())));
        }
        tokens[token.id()] = bytes;
        special.set(token.id(), token.special());
    }

    /**
     * Reads the tokenizer of a checkpoint directory: tokenizer.json, or else vocab.json and merges.txt, with the added
     * tokens of tokenizer_config.json where there is one and the Qwen 3.5 pattern.
     *
     * @throws TokenizerException if there is neither, or the files cannot be used
     */
    public static Tokenizer open(Path directory) {
        return complete(TokenizerFiles.open(directory));
    }

    /**
     * Reads a tokenizer.json: byte-level BPE with normalization form C and the pattern of Qwen 2 or Qwen 3.5.
     *
     * @throws TokenizerException if the file cannot be used, or asks for anything else
     */
    public static Tokenizer readJson(Path file) {
        return complete(TokenizerFiles.json(file));
    }

    /**
     * Reads a vocabulary and its merge rules.
     *
     * @param config a tokenizer_config.json whose {@code added_tokens_decoder} lists the added tokens, or null for none
     * @param pattern as in {@link #of}
     * @throws TokenizerException if the files cannot be used
     */
    public static Tokenizer readVocabAndMerges(Path vocab, Path merges, @Nullable Path config, String pattern) {
        return complete(TokenizerFiles.vocabAndMerges(vocab, merges, config, pattern));
    }

    /**
     * Makes a tokenizer of the lists in GGUF metadata.
     *
     * @param tokens by id, in the printable byte alphabet; added tokens as they are
     * @param types by id: 1 built by merging, 3 special added token, 4 other added token, 5 stands for nothing
     * @param merges by rank, each "left right"
     * @param pattern "qwen35", or "qwen2" (also called "deepseek-r1-qwen")
     * @throws TokenizerException if the lists cannot be used
     */
    public static Tokenizer of(List<String> tokens, List<Integer> types, List<String> merges, String pattern) {
        return new Tokenizer(TokenizerFiles.lists(tokens, types, merges, pattern));
    }

    /**
     * The ids of a text in which added tokens count as such, whoever wrote them. For text from outside that must not
     * end a turn or open a tool call, see {@link #encodeUntrusted}.
     */
    public int[] encode(String text) {
        Ids ids = new Ids();
        Consumer<String> pieces = pieceEncoder(ids);
        addedVerbatim.cut(
                Normalization.wellFormed(text),
                part -> addedNormalized.cut(Normalization.nfc(part), pieces, ids::add),
                ids::add);
        return ids.toArray(0);
    }

    /** The ids of a text in which {@code <|im_end|>} is ten characters like any others: none of an added token. */
    public int[] encodeUntrusted(String text) {
        Ids ids = new Ids();
        pieceEncoder(ids).accept(Normalization.nfc(Normalization.wellFormed(text)));
        return ids.toArray(0);
    }

    private Consumer<String> pieceEncoder(Ids ids) {
        PieceMerger merger = new PieceMerger(byteIds, merges);
        return text -> {
            char[] chars = text.toCharArray();
            for (int from = 0, end; from < chars.length; from = end) {
                end = pattern.pieceEnd(chars, from, chars.length);
                encodePiece(chars, from, end, merger, ids);
            }
        };
    }

    private void encodePiece(char[] text, int from, int to, PieceMerger merger, Ids ids) {
        if (to - from > PieceCache.LONGEST) {
            merger.merge(text, from, to, ids);
            return;
        }
        int slot = PieceCache.slot(text, from, to);
        int[] known = cache.find(text, from, to, slot);
        if (known != null) {
            ids.addAll(known);
        } else {
            int start = ids.size();
            merger.merge(text, from, to, ids);
            cache.put(text, from, to, slot, ids.toArray(start));
        }
    }

    /**
     * The text of some tokens. Ids above the vocabulary, which pad the rows of a model, and unused ones give no text;
     * bytes that are not UTF-8 give U+FFFD.
     *
     * @throws IllegalArgumentException if an id is negative
     */
    public String decode(int[] ids) {
        return decode(ids, false);
    }

    /**
     * The text of some tokens, without the special ones if so wished. Added tokens that are not special, such as
     * {@code <think>}, always stay.
     *
     * @throws IllegalArgumentException if an id is negative
     */
    public String decode(int[] ids, boolean skipSpecial) {
        StreamingDecoder decoder = new StreamingDecoder(this, skipSpecial);
        for (int id : ids) {
            decoder.appendToken(id);
        }
        return decoder.finish();
    }

    /**
     * The id of an added token, or of the token that stands for exactly this text: {@code "<think>"}, {@code " the"}.
     * A space is a space here, not the Ġ of the vocabulary files.
     */
    public OptionalInt id(String token) {
        Integer added = addedIds.get(token);
        if (added != null) {
            return OptionalInt.of(added);
        }
        byte[] bytes = token.getBytes(StandardCharsets.UTF_8);
        int id = vocabulary.find(bytes, 0, bytes.length);
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** The added tokens, special and not, with their ids. */
    public Map<String, Integer> addedTokens() {
        return Collections.unmodifiableMap(addedIds);
    }

    /**
     * The text of one token; U+FFFD stands for parts of characters.
     *
     * @throws IllegalArgumentException if the id is negative
     */
    public String token(int id) {
        return decode(new int[] {id});
    }

    /**
     * A copy of the bytes that a token stands for, which may begin or end inside a character; empty for ids that stand
     * for nothing.
     *
     * @throws IllegalArgumentException if the id is negative
     */
    public byte[] bytes(int id) {
        return sharedBytes(id).clone();
    }

    /** Whether this is an added token that decoding drops on request. */
    public boolean isSpecial(int id) {
        return id >= 0 && special.get(id);
    }

    /**
     * The number of ids that text can become: all are below it. A model may have more rows; those are padding and must
     * not be sampled.
     */
    public int vocabularySize() {
        return tokens.length;
    }

    /** The bytes of a token, not a copy. */
    byte[] sharedBytes(int id) {
        if (id < 0) {
            throw new IllegalArgumentException("token id %d is negative".formatted(id));
        }
        return id < tokens.length ? tokens[id] : Vocabulary.NONE;
    }
}
