package dev.jwen.tokenizer;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A JSON file read as a stream. Whatever is wrong with it becomes a {@link TokenizerException} that says where. */
final class JsonFile {
    /** Three times the size and the number of values of the largest tokenizer.json known. */
    private static final long MAX_SIZE_BYTES = 64L << 20;

    private static final long MAX_VALUES = 4_000_000;

    // Every name in a vocabulary is new: a table of names seen before would only cost time and memory.
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxTokenCount(MAX_VALUES)
                            .build())
                    .build())
            .disable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS) // what is read as a tree is part of a file
            .build();

    private final Path path;
    private final JsonParser parser;

    private JsonFile(Path path, JsonParser parser) {
        this.path = path;
        this.parser = parser;
    }

    /** Reads a file whose value is one object. */
    static <T> T read(Path path, Function<JsonFile, T> reader) {
        String text = text(path);
        try (JsonParser parser = JSON.createParser(text)) {
            parser.nextToken();
            JsonFile file = new JsonFile(path, parser);
            T result = reader.apply(file);
            if (parser.nextToken() != null) {
                throw file.unexpected("nothing after the object");
            }
            return result;
        } catch (JacksonException e) {
            throw new TokenizerException(
                    "%s, line %d: expected JSON, found: %s. The file may be cut short."
                            .formatted(path, line(e.getLocation()), Quote.of(e.getOriginalMessage())),
                    e);
        }
    }

    /** The contents of a text file of sane size. */
    static String text(Path path) {
        try {
            long size = Files.size(path);
            if (size > MAX_SIZE_BYTES) {
                throw new TokenizerException(
                        "%s: expected at most %d MiB, found %d bytes".formatted(path, MAX_SIZE_BYTES >> 20, size));
            }
            return Files.readString(path);
        } catch (NoSuchFileException e) {
            throw new TokenizerException("%s: expected a file, found none".formatted(path), e);
        } catch (CharacterCodingException e) {
            throw new TokenizerException("%s: expected UTF-8, found bytes that are none".formatted(path), e);
        } catch (IOException e) {
            throw new TokenizerException("%s: expected a readable file, found: %s".formatted(path, e.getMessage()), e);
        }
    }

    /** Enters the object at the current position. */
    void enterObject(String what) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw unexpected(what + " to be an object");
        }
    }

    void enterArray(String what) {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw unexpected(what + " to be an array");
        }
    }

    /** Moves to the value of the object's next member, or past its end and returns false. */
    boolean nextMember() {
        if (parser.nextToken() == JsonToken.END_OBJECT) {
            return false;
        }
        parser.nextToken();
        return true;
    }

    /** Moves to the array's next element, or past its end and returns false. */
    boolean nextElement() {
        return parser.nextToken() != JsonToken.END_ARRAY;
    }

    /** The name of the member whose value is current. */
    String name() {
        return parser.currentName();
    }

    boolean isArray() {
        return parser.currentToken() == JsonToken.START_ARRAY;
    }

    String string(String what) {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw unexpected(what + " to be a string");
        }
        return parser.getString();
    }

    int integer(String what) {
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                || parser.getNumberType() != JsonParser.NumberType.INT) {
            throw unexpected(what + " to be an integer");
        }
        return parser.getIntValue();
    }

    /** The current value as a whole; for small ones. */
    JsonNode tree() {
        return JSON.readTree(parser);
    }

    void skip() {
        parser.skipChildren();
    }

    TokenizerException unexpected(String expected) {
        return new TokenizerException("%s, line %d: expected %s, found %s"
                .formatted(path, parser.currentTokenLocation().getLineNr(), expected, found()));
    }

    private String found() {
        JsonToken token = parser.currentToken();
        return token == null
                ? "the end"
                : switch (token) {
                    case START_OBJECT, END_OBJECT -> "an object";
                    case START_ARRAY, END_ARRAY -> "an array";
                    case VALUE_STRING -> "the string \"%s\"".formatted(Quote.of(parser.getString()));
                    default -> Quote.of(parser.getString());
                };
    }

    private static int line(@Nullable TokenStreamLocation location) {
        return location == null ? 0 : location.getLineNr();
    }
}
