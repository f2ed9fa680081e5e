package dev.jwen.tokenizer;

import dev.jwen.Golden;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** The 64-merge tokenizer that travels with the source, in every form that can be read. */
final class Tiny {
    static final Path DIRECTORY = Golden.shipped("tokenizer");
    static final Path JSON = DIRECTORY.resolve("tokenizer.json");
    static final Path VOCAB = DIRECTORY.resolve("vocab.json");
    static final Path MERGES = DIRECTORY.resolve("merges.txt");
    static final Path CONFIG = DIRECTORY.resolve("tokenizer_config.json");

    private Tiny() {}

    static Tokenizer open() {
        return Tokenizer.open(DIRECTORY);
    }

    /** The lists of GGUF metadata, padded with unused tokens. */
    record Lists(List<String> tokens, List<Integer> types, List<String> merges) {
        Tokenizer tokenizer() {
            return Tokenizer.of(tokens, types, merges, "qwen35");
        }
    }

    static Lists lists(int rows) {
        JsonNode json = Golden.json(JSON);
        List<String> tokens = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        json.at("/model/vocab").properties().forEach(token -> {
            tokens.add(token.getKey());
            types.add(1);
        });
        for (JsonNode token : json.get("added_tokens")) {
            tokens.add(token.get("content").asString());
            types.add(token.get("special").booleanValue() ? 3 : 4);
        }
        while (tokens.size() < rows) {
            tokens.add("[PAD%d]".formatted(tokens.size()));
            types.add(5);
        }
        List<String> merges = new ArrayList<>();
        for (JsonNode merge : json.at("/model/merges")) {
            merges.add(merge.get(0).asString() + " " + merge.get(1).asString());
        }
        return new Lists(tokens, types, merges);
    }
}
