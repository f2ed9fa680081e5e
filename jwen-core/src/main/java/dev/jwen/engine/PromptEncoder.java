package dev.jwen.engine;

import dev.jwen.chat.PromptPiece;
import dev.jwen.model.ModelInput;
import dev.jwen.tokenizer.Tokenizer;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

/**
 * Turns a prompt into what a sequence reads: text into tokens, and each placeholder that the template wrote for a picture
 * or video into as many as it has.
 *
 * <p>A video becomes a series of frames, each behind the second at which it was seen:
 * {@code <0.2 seconds><|vision_start|><|video_pad|>…<|vision_end|>}.
 */
public final class PromptEncoder {
    private static final String IMAGE_PAD = "<|image_pad|>";
    private static final String VIDEO_PAD = "<|video_pad|>";
    private static final String VISION_START = "<|vision_start|>";
    private static final String VISION_END = "<|vision_end|>";

    private final Tokenizer tokenizer;
    private final VisionOptions.VideoWrapper wrapper;
    private final ModelInput.Placeholders placeholders;

    public PromptEncoder(Tokenizer tokenizer, VisionOptions.VideoWrapper wrapper) {
        this.tokenizer = tokenizer;
        this.wrapper = wrapper;
        this.placeholders = new ModelInput.Placeholders(
                tokenizer.id(IMAGE_PAD).orElse(-1), tokenizer.id(VIDEO_PAD).orElse(-1));
    }

    /** What has not found its place yet. */
    private record Waiting(Iterator<Seen> images, Iterator<Seen> videos) {}

    /**
     * Encodes a prompt.
     *
     * @param pieces spellings of special tokens, placeholders among them, count only in trusted pieces
     * @param seen pictures in the order of their placeholders, and videos in the order of theirs
     * @throws IllegalArgumentException if there are more placeholders than pictures and videos, or fewer
     */
    public ModelInput encode(List<PromptPiece> pieces, List<Seen> seen) {
        Waiting waiting = new Waiting(
                seen.stream().filter(s -> !s.isVideo()).iterator(),
                seen.stream().filter(Seen::isVideo).iterator());
        List<int[]> parts = new ArrayList<>();
        for (PromptPiece piece : pieces) {
            if (!piece.trusted()) {
                parts.add(tokenizer.encodeUntrusted(piece.text()));
            } else if (seen.isEmpty()) {
                parts.add(tokenizer.encode(piece.text()));
            } else {
                parts.add(encode(piece.text(), waiting));
            }
        }
        if (waiting.images.hasNext() || waiting.videos.hasNext()) {
            throw new IllegalArgumentException(
                    "%d pictures and videos were given, but the prompt has fewer places for them: each needs %s or %s"
                            .formatted(seen.size(), IMAGE_PAD, VIDEO_PAD));
        }
        int[] ids = parts.stream().flatMapToInt(Arrays::stream).toArray();
        return seen.isEmpty() ? ModelInput.text(ids) : input(ids, seen);
    }

    /**
     * Ids that hold one placeholder for each picture and video, or already as many as they have tokens.
     *
     * @throws IllegalArgumentException if they hold neither
     */
    ModelInput expand(int[] ids, List<Seen> seen) {
        long found = Arrays.stream(ids).filter(this::isPlaceholder).count();
        long tokens = seen.stream().mapToLong(s -> s.picture().grid().tokens()).sum();
        if (found != seen.size() || found == tokens) {
            return seen.isEmpty() ? ModelInput.text(ids) : input(ids, seen);
        }
        if (seen.stream().noneMatch(Seen::isVideo)) {
            return input(
                    repeated(
                            ids,
                            seen.stream().map(s -> s.picture().grid().tokens()).toList()),
                    seen);
        }
        // The seconds between the frames are text, which may join the text before it.
        return encode(List.of(new PromptPiece(tokenizer.decode(ids), true)), seen);
    }

    private boolean isPlaceholder(int id) {
        return id == placeholders.image() || id == placeholders.video();
    }

    private ModelInput input(int[] ids, List<Seen> seen) {
        return ModelInput.of(
                ids,
                placeholders,
                seen.stream().filter(s -> !s.isVideo()).map(Seen::picture).toList(),
                seen.stream().filter(Seen::isVideo).map(Seen::picture).toList());
    }

    /** Writes the frames of videos out, encodes the text as a whole, then repeats the placeholders. */
    private int[] encode(String text, Waiting waiting) {
        StringBuilder written = new StringBuilder();
        List<Integer> tokens = new ArrayList<>(); // of each placeholder that is written
        int done = 0;
        for (int at = nextPlaceholder(text, 0); at >= 0; at = nextPlaceholder(text, done)) {
            boolean isVideo = text.startsWith(VIDEO_PAD, at);
            String pad = isVideo ? VIDEO_PAD : IMAGE_PAD;
            Iterator<Seen> rest = isVideo ? waiting.videos : waiting.images;
            if (!rest.hasNext()) {
                throw new IllegalArgumentException("the prompt has a place %s for a %s that was not given"
                        .formatted(pad, isVideo ? "video" : "picture"));
            }
            Seen seen = rest.next();
            written.append(text, done, at);
            done = at + pad.length();
            int frameTokens = seen.picture().grid().frameTokens();
            if (!isVideo) {
                written.append(pad);
                tokens.add(frameTokens);
                continue;
            }
            boolean wrapped = wrapper == VisionOptions.VideoWrapper.DROPPED
                    && written.toString().endsWith(VISION_START)
                    && text.startsWith(VISION_END, done);
            if (wrapped) {
                written.setLength(written.length() - VISION_START.length());
                done += VISION_END.length();
            }
            for (double timestamp : seen.timestamps()) {
                written.append('<').append(seconds(timestamp)).append(" seconds>");
                written.append(VISION_START).append(VIDEO_PAD).append(VISION_END);
                tokens.add(frameTokens);
            }
        }
        written.append(text, done, text.length());
        return repeated(tokenizer.encode(written.toString()), tokens);
    }

    private static int nextPlaceholder(String text, int from) {
        int image = text.indexOf(IMAGE_PAD, from);
        int video = text.indexOf(VIDEO_PAD, from);
        return image < 0 || video < 0 ? Math.max(image, video) : Math.min(image, video);
    }

    /** With one decimal, of two equally near ones the even: what {@code %.1f} gives in C, not what it gives in Java. */
    static String seconds(double timestamp) {
        return new BigDecimal(timestamp).setScale(1, RoundingMode.HALF_EVEN).toPlainString();
    }

    private int[] repeated(int[] ids, List<Integer> tokens) {
        int[] all =
                new int[ids.length + tokens.stream().mapToInt(Integer::intValue).sum() - tokens.size()];
        int at = 0;
        int next = 0;
        for (int id : ids) {
            int count = isPlaceholder(id) ? tokens.get(next++) : 1;
            Arrays.fill(all, at, at + count, id);
            at += count;
        }
        return all;
    }
}
