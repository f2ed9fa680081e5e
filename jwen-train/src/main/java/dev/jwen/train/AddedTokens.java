package dev.jwen.train;

import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The tokens of Qwen 3.5 that are matched as a whole, in the order of their ids, which follow the built ones. */
final class AddedTokens {
    /** @param special dropped by decoding on request */
    record Token(String content, boolean special) {}

    static final List<Token> ALL = Stream.of(
                    special(
                            "<|endoftext|>",
                            "<|im_start|>",
                            "<|im_end|>",
                            "<|object_ref_start|>",
                            "<|object_ref_end|>",
                            "<|box_start|>",
                            "<|box_end|>",
                            "<|quad_start|>",
                            "<|quad_end|>",
                            "<|vision_start|>",
                            "<|vision_end|>",
                            "<|vision_pad|>",
                            "<|image_pad|>",
                            "<|video_pad|>"),
                    plain(
                            "<tool_call>",
                            "</tool_call>",
                            "<|fim_prefix|>",
                            "<|fim_middle|>",
                            "<|fim_suffix|>",
                            "<|fim_pad|>",
                            "<|repo_name|>",
                            "<|file_sep|>",
                            "<tool_response>",
                            "</tool_response>",
                            "<think>",
                            "</think>"),
                    special(
                            "<|audio_start|>",
                            "<|audio_end|>",
                            "<tts_pad>",
                            "<tts_text_bos>",
                            "<tts_text_eod>",
                            "<tts_text_bos_single>",
                            "<|audio_pad|>"))
            .flatMap(tokens -> tokens)
            .toList();

    /** Any of them; none is the beginning of another, but the longest goes first all the same. */
    static final Pattern PATTERN = Pattern.compile(ALL.stream()
            .map(Token::content)
            .sorted(Comparator.comparingInt(String::length).reversed())
            .map(Pattern::quote)
            .collect(Collectors.joining("|")));

    private AddedTokens() {}

    private static Stream<Token> special(String... contents) {
        return Stream.of(contents).map(content -> new Token(content, true));
    }

    private static Stream<Token> plain(String... contents) {
        return Stream.of(contents).map(content -> new Token(content, false));
    }
}
