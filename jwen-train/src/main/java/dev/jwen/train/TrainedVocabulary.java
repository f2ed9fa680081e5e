package dev.jwen.train;

import dev.jwen.tokenizer.SplitPattern;
import dev.jwen.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A vocabulary for the tokenizer of Qwen 3.5; the 33 added tokens follow the tokens listed here.
 *
 * @param tokens by id, in the printable byte alphabet: the 256 bytes, then one for each rule
 * @param rules by rank, each "left right" in the same alphabet
 * @see VocabularyTrainer
 */
public record TrainedVocabulary(List<String> tokens, List<String> rules) {
    public TrainedVocabulary {
        tokens = List.copyOf(tokens);
        rules = List.copyOf(rules);
        if (tokens.size() != 256 + rules.size()) {
            throw new IllegalArgumentException("%d rules and %d tokens, expected 256 tokens more than rules"
                    .formatted(rules.size(), tokens.size()));
        }
    }

    /** The number of ids, with the added tokens. */
    public int size() {
        return tokens.size() + AddedTokens.ALL.size();
    }

    /**
     * The id of an added token.
     *
     * @throws IllegalArgumentException if Qwen 3.5 has no such token
     */
    public int id(String addedToken) {
        for (int i = 0; i < AddedTokens.ALL.size(); i++) {
            if (AddedTokens.ALL.get(i).content().equals(addedToken)) {
                return tokens.size() + i;
            }
        }
        throw new IllegalArgumentException("%s is not an added token of Qwen 3.5".formatted(addedToken));
    }

    /** The tokenizer with this vocabulary. */
    public Tokenizer tokenizer() {
        List<String> all = new ArrayList<>(tokens);
        List<Integer> types = new ArrayList<>(Collections.nCopies(tokens.size(), 1));
        for (AddedTokens.Token token : AddedTokens.ALL) {
            all.add(token.content());
            types.add(token.special() ? 3 : 4);
        }
        return Tokenizer.of(all, types, rules, "qwen35");
    }

    /**
     * Writes tokenizer.json and tokenizer_config.json, as Hugging Face tokenizers and {@link Tokenizer#open} read them.
     *
     * @param directory made if it does not exist
     * @throws UncheckedIOException if a file cannot be written
     */
    public void write(Path directory) {
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        JsonFiles.write(directory.resolve("tokenizer.json"), tokenizerJson());
        JsonFiles.write(directory.resolve("tokenizer_config.json"), tokenizerConfig());
    }

    private ObjectNode tokenizerJson() {
        ObjectNode json = object().put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = json.putArray("added_tokens");
        int id = tokens.size();
        for (AddedTokens.Token token : AddedTokens.ALL) {
            ObjectNode entry = object().put("id", id++);
            entry.setAll(matching(token));
            added.add(entry);
        }
        json.putObject("normalizer").put("type", "NFC");
        json.set("pre_tokenizer", preTokenizer());
        json.putNull("post_processor");
        json.set("decoder", byteLevel());
        json.set("model", model());
        return json;
    }

    private static ObjectNode matching(AddedTokens.Token token) {
        return object().put("content", token.content())
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", token.special());
    }

    private static ObjectNode preTokenizer() {
        ObjectNode split = object().put("type", "Split");
        split.putObject("pattern").put("Regex", SplitPattern.QWEN35.regex());
        split.put("behavior", "Isolated").put("invert", false);
        ObjectNode sequence = object().put("type", "Sequence");
        sequence.putArray("pretokenizers").add(split).add(byteLevel());
        return sequence;
    }

    /** Bytes as printable characters, split no further. */
    private static ObjectNode byteLevel() {
        return object().put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", false)
                .put("use_regex", false);
    }

    private ObjectNode model() {
        ObjectNode model = object().put("type", "BPE")
                .putNull("dropout")
                .putNull("unk_token")
                .putNull("continuing_subword_prefix")
                .putNull("end_of_word_suffix")
                .put("fuse_unk", false)
                .put("byte_fallback", false)
                .put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
        ArrayNode merges = model.putArray("merges");
        for (String rule : rules) {
            int space = rule.indexOf(' ');
            merges.addArray().add(rule.substring(0, space)).add(rule.substring(space + 1));
        }
        return model;
    }

    private ObjectNode tokenizerConfig() {
        ObjectNode json = object().put("tokenizer_class", "Qwen2Tokenizer")
                .put("add_bos_token", false)
                .put("add_prefix_space", false)
                .put("clean_up_tokenization_spaces", false)
                .put("split_special_tokens", false)
                .put("errors", "replace")
                .putNull("bos_token")
                .putNull("unk_token")
                .put("eos_token", "<|im_end|>")
                .put("pad_token", "<|endoftext|>")
                .put("image_token", "<|image_pad|>")
                .put("video_token", "<|video_pad|>")
                .put("vision_bos_token", "<|vision_start|>")
                .put("vision_eos_token", "<|vision_end|>");
        ObjectNode added = json.putObject("added_tokens_decoder");
        for (int i = 0; i < AddedTokens.ALL.size(); i++) {
            added.set(Integer.toString(tokens.size() + i), matching(AddedTokens.ALL.get(i)));
        }
        return json;
    }

    private static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
