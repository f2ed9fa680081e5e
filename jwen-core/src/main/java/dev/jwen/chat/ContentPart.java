package dev.jwen.chat;

/** A piece of a message: text, or a picture or video named by where it comes from. */
public sealed interface ContentPart {

    /** Text as written; whitespace counts. */
    record Text(String text) implements ContentPart {}

    /**
     * A picture. It is not decoded here.
     *
     * @param source an http, file or data URI, or any name the caller can turn into a picture; may be empty
     */
    record Image(String source) implements ContentPart {}

    /**
     * A video. It is not decoded here.
     *
     * @param source an http, file or data URI, or any name the caller can turn into a video; may be empty
     */
    record Video(String source) implements ContentPart {}
}
