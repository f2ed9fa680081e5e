package dev.jwen.chat;

import dev.jwen.Golden;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The templates that tests render with, and the added tokens of Qwen 3.5. */
final class Templates {
    private static final String SPECIAL = """
            <|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
            <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>
            <|audio_start|> <|audio_end|> <tts_pad> <tts_text_bos> <tts_text_eod> <tts_text_bos_single> <|audio_pad|>""";
    private static final String NOT_SPECIAL = """
            <tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>
            <tool_response> </tool_response> <think> </think>""";

    static final List<AddedToken> TOKENS = Stream.concat(
                    Stream.of(SPECIAL.split("\\s", -1)).map(text -> new AddedToken(text, true)),
                    Stream.of(NOT_SPECIAL.split("\\s", -1)).map(text -> new AddedToken(text, false)))
            .toList();

    static final List<String> QWEN = List.of(
            "chat_template-qwen3.5-thinking-default.jinja",
            "chat_template-qwen3.5-nothinking-default.jinja",
            "chat_template-qwen3.6.jinja",
            "chat_template-qwen3-coder.jinja");

    private Templates() {}

    /** The template that travels with the tests: the format of Qwen 3.5. */
    static ChatTemplate own() {
        return template(ownSource());
    }

    static String ownSource() {
        return read(Path.of("src/test/resources/chat/qwen-format.jinja"));
    }

    /** A published template; skips the test if it is absent. */
    static ChatTemplate published(String file) {
        return template(publishedSource(file));
    }

    static String publishedSource(String file) {
        return read(Golden.shared("data/qwen35").resolve(file));
    }

    static ChatTemplate template(String source) {
        return ChatTemplate.of(source, TOKENS, Map.of("eos_token", "<|im_end|>", "bos_token", "<|endoftext|>"));
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
