package dev.jwen.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads the forms in which tokenizers are published. A file that asks for anything the tokenizer does not do is
 * refused; settings without influence on ids, such as truncation and padding, are passed over.
 */
final class TokenizerFiles {
    /** Forty times the largest vocabulary; a higher id is a broken file. */
    private static final int MAX_IDS = 10_000_000;

    /** Parts of tokenizer.json, besides the model, that change ids. */
    private static final Set<String> PARTS = Set.of("added_tokens", "normalizer", "pre_tokenizer", "post_processor");

    private TokenizerFiles() {}

    static Definition open(Path directory) {
        Path json = directory.resolve("tokenizer.json");
        if (Files.exists(json)) {
            return json(json);
        }
        Path vocab = directory.resolve("vocab.json");
        Path merges = directory.resolve("merges.txt");
        if (!Files.exists(vocab) || !Files.exists(merges)) {
            throw new TokenizerException(
                    "%s: expected tokenizer.json, or vocab.json and merges.txt, found neither".formatted(directory));
        }
        Path config = directory.resolve("tokenizer_config.json");
        return vocabAndMerges(vocab, merges, Files.exists(config) ? config : null, "qwen35");
    }

    static Definition json(Path path) {
        return JsonFile.read(path, file -> {
            ObjectNode parts = JsonNodeFactory.instance.objectNode();
            List<@Nullable String> tokens = new ArrayList<>();
            List<String> merges = new ArrayList<>();
            file.enterObject("the file");
            while (file.nextMember()) {
                String name = file.name();
                if (name.equals("model")) {
                    parts.set("model", readModel(file, tokens, merges));
                } else if (PARTS.contains(name)) {
                    parts.set(name, file.tree());
                } else {
                    file.skip();
                }
            }
            check(path, parts);
            List<AddedTokens.Token> added = new ArrayList<>();
            for (JsonNode token : parts.path("added_tokens")) {
                added.add(addedToken(path, token.path("id").toString(), token));
            }
            checkComplete(path, tokens, added);
            return new Definition(path.toString(), tokens, added, merges, pattern(path, parts));
        });
    }

    /** Reads vocabulary and merge rules into the lists; the other settings are returned. */
    private static ObjectNode readModel(JsonFile file, List<@Nullable String> tokens, List<String> merges) {
        ObjectNode settings = JsonNodeFactory.instance.objectNode();
        file.enterObject("model");
        while (file.nextMember()) {
            switch (file.name()) {
                case "vocab" -> readVocab(file, tokens);
                case "merges" -> readMerges(file, merges);
                default -> settings.set(file.name(), file.tree());
            }
        }
        if (tokens.isEmpty()) {
            throw file.unexpected("a vocabulary in the model");
        }
        return settings;
    }

    private static void readVocab(JsonFile file, List<@Nullable String> tokens) {
        file.enterObject("the vocabulary");
        if (!tokens.isEmpty()) {
            throw file.unexpected("only one vocabulary");
        }
        while (file.nextMember()) {
            int id = file.integer("the id of a token");
            if (id < 0 || id >= MAX_IDS) {
                throw file.unexpected("the id of a token to be in 0..%d".formatted(MAX_IDS - 1));
            }
            if (id >= tokens.size()) {
                tokens.addAll(Collections.nCopies(id + 1 - tokens.size(), null));
            }
            String earlier = tokens.set(id, file.name());
            if (earlier != null) {
                throw file.unexpected(
                        "only one token with this id, but it is that of \"%s\" too".formatted(Quote.of(earlier)));
            }
        }
    }

    /** Rules are strings "left right" in older files, pairs of strings in newer ones. */
    private static void readMerges(JsonFile file, List<String> merges) {
        file.enterArray("the merges");
        if (!merges.isEmpty()) {
            throw file.unexpected("only one list of merges");
        }
        while (file.nextElement()) {
            if (!file.isArray()) {
                merges.add(file.string("a merge"));
                continue;
            }
            file.nextElement();
            String left = file.string("the left part of a merge");
            file.nextElement();
            merges.add(left + ' ' + file.string("the right part of a merge"));
            if (file.nextElement()) {
                throw file.unexpected("only two parts of a merge");
            }
        }
    }

    /** Refuses every setting that would give other ids than the one algorithm there is. */
    private static void check(Path path, ObjectNode parts) {
        require(path, parts, "/model/type", "\"BPE\"");
        require(path, parts, "/model/dropout", "null", "");
        require(path, parts, "/model/continuing_subword_prefix", "null", "\"\"", "");
        require(path, parts, "/model/end_of_word_suffix", "null", "\"\"", "");
        require(path, parts, "/model/ignore_merges", "false", "");
        require(path, parts, "/normalizer/type", "\"NFC\"");
        require(path, parts, "/pre_tokenizer/type", "\"Sequence\"");
        require(path, parts, "/pre_tokenizer/pretokenizers/0/type", "\"Split\"");
        require(path, parts, "/pre_tokenizer/pretokenizers/0/behavior", "\"Isolated\"");
        require(path, parts, "/pre_tokenizer/pretokenizers/0/invert", "false");
        require(path, parts, "/pre_tokenizer/pretokenizers/1/type", "\"ByteLevel\"");
        require(path, parts, "/pre_tokenizer/pretokenizers/1/add_prefix_space", "false");
        require(path, parts, "/pre_tokenizer/pretokenizers/1/use_regex", "false");
        require(path, parts, "/pre_tokenizer/pretokenizers/2", "");
        if (!parts.path("post_processor").isNull()
                && !parts.path("post_processor").isMissingNode()) {
            require(path, parts, "/post_processor/type", "\"ByteLevel\"");
        }
        JsonNode added = parts.path("added_tokens");
        if (!added.isArray() && !added.isMissingNode()) {
            require(path, parts, "/added_tokens", "an array");
        }
    }

    /** @param allowed JSON values; the empty string allows that there is none */
    private static void require(Path path, JsonNode root, String pointer, String... allowed) {
        String found = root.at(pointer).toString();
        if (!Arrays.asList(allowed).contains(found)) {
            throw new TokenizerException("%s: expected %s to be %s, found %s. This kind of tokenizer is not supported."
                    .formatted(
                            path,
                            pointer.substring(1),
                            allowed[0].isEmpty() ? "absent" : allowed[0],
                            found.isEmpty() ? "nothing" : Quote.of(found)));
        }
    }

    private static SplitPattern pattern(Path path, JsonNode parts) {
        JsonNode regex = parts.at("/pre_tokenizer/pretokenizers/0/pattern/Regex");
        SplitPattern pattern = regex.isString() ? SplitPattern.ofRegex(regex.asString()) : null;
        if (pattern == null) {
            throw new TokenizerException(
                    "%s: expected the split pattern of Qwen 3.5 or that of Qwen 2, found %s".formatted(path, regex));
        }
        return pattern;
    }

    /** @param id in decimal, as read */
    private static AddedTokens.Token addedToken(Path path, String id, JsonNode token) {
        JsonNode content = token.path("content");
        if (!id.matches("[0-9]{1,7}")) { // below MAX_IDS
            throw new TokenizerException("%s: expected the id of an added token to be in 0..%d, found %s"
                    .formatted(path, MAX_IDS - 1, id.isEmpty() ? "nothing" : Quote.of(id)));
        }
        if (!content.isString() || content.asString().isEmpty()) {
            throw new TokenizerException("%s: expected the content of added token %s to be a string, found %s"
                    .formatted(path, id, content.isMissingNode() ? "nothing" : Quote.of(content.toString())));
        }
        for (String flag : List.of("lstrip", "rstrip", "single_word")) {
            require(path, token, "/" + flag, "false", "");
        }
        for (String flag : List.of("special", "normalized")) {
            require(path, token, "/" + flag, "false", "true", "");
        }
        boolean normalized = token.path("normalized").asBoolean(false);
        String text = Normalization.wellFormed(content.asString());
        return new AddedTokens.Token(
                Integer.parseInt(id),
                normalized ? Normalization.nfc(text) : text,
                token.path("special").asBoolean(false),
                normalized);
    }

    private static void checkComplete(Path path, List<@Nullable String> tokens, List<AddedTokens.Token> added) {
        Set<Integer> ids = new HashSet<>();
        int size = tokens.size();
        for (AddedTokens.Token token : added) {
            ids.add(token.id());
            size = Math.max(size, token.id() + 1);
        }
        for (int id = 0; id < size; id++) {
            if ((id >= tokens.size() || tokens.get(id) == null) && !ids.contains(id)) {
                throw new TokenizerException(
                        "%s: expected a token for every id up to %d, found none for %d".formatted(path, size - 1, id));
            }
        }
    }

    static Definition vocabAndMerges(Path vocab, Path merges, @Nullable Path config, String pattern) {
        List<@Nullable String> tokens = new ArrayList<>();
        JsonFile.read(vocab, file -> {
            readVocab(file, tokens);
            return tokens;
        });
        List<String> rules = new ArrayList<>(JsonFile.text(merges).lines().toList());
        if (!rules.isEmpty() && rules.getFirst().startsWith("#version")) {
            rules.removeFirst();
        }
        List<AddedTokens.Token> added = config == null ? List.of() : addedTokensOf(config);
        checkComplete(vocab, tokens, added);
        String source = "%s and %s".formatted(vocab, merges.getFileName());
        return new Definition(source, tokens, added, rules, pattern(source, pattern));
    }

    private static List<AddedTokens.Token> addedTokensOf(Path config) {
        return JsonFile.read(config, file -> {
            List<AddedTokens.Token> added = new ArrayList<>();
            file.enterObject("the file");
            while (file.nextMember()) {
                if (!file.name().equals("added_tokens_decoder")) {
                    file.skip();
                    continue;
                }
                file.enterObject("added_tokens_decoder");
                while (file.nextMember()) {
                    String id = file.name();
                    added.add(addedToken(config, id, file.tree()));
                }
            }
            return added;
        });
    }

    private static SplitPattern pattern(String source, String name) {
        SplitPattern pattern = SplitPattern.ofName(name);
        if (pattern == null) {
            throw new TokenizerException("%s: expected the split pattern \"qwen35\" or \"qwen2\", found \"%s\""
                    .formatted(source, Quote.of(name)));
        }
        return pattern;
    }

    static Definition lists(List<String> tokens, List<Integer> types, List<String> merges, String pattern) {
        String source = "GGUF tokenizer";
        if (tokens.size() != types.size() || tokens.size() > MAX_IDS) {
            throw new TokenizerException("%s: expected as many types as tokens and at most %d, found %d and %d"
                    .formatted(source, MAX_IDS, types.size(), tokens.size()));
        }
        List<@Nullable String> built = new ArrayList<>();
        List<AddedTokens.Token> added = new ArrayList<>();
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            built.add(types.get(id) == 1 ? token : null);
            switch (types.get(id)) {
                case 1, 5 -> {}
                case 3, 4 -> {
                    if (token.isEmpty()) {
                        throw new TokenizerException(
                                "%s: expected the text of added token %d, found an empty one".formatted(source, id));
                    }
                    added.add(new AddedTokens.Token(id, Normalization.wellFormed(token), types.get(id) == 3, false));
                }
                default ->
                    throw new TokenizerException("%s: expected the type of token %d \"%s\" to be 1, 3, 4 or 5, found %d"
                            .formatted(source, id, Quote.of(token), types.get(id)));
            }
        }
        while (!built.isEmpty() && built.getLast() == null) {
            built.removeLast();
        }
        return new Definition(source, built, added, merges, pattern(source, pattern));
    }
}
