package dev.jwen.model;

import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a sequence reads: token ids, the place of each in time, height and width, and the pictures whose features stand
 * in for placeholder tokens.
 *
 * <p>Text advances all three positions together. The tokens of a picture, or of one frame of a video, share one position
 * in time and count height and width from it; what follows continues behind the larger of the two sides. So a picture of
 * 32 by 32 tokens takes 32 positions.
 */
public final class ModelInput {
    private final int[] ids;
    /** By axis (time, height, width), then token. */
    private final int[][] positions;

    private final List<Frame> frames;

    /**
     * The ids that stand for one token of a picture or video each; -1 for a model without.
     *
     * @param image {@code <|image_pad|>}
     * @param video {@code <|video_pad|>}
     */
    public record Placeholders(int image, int video) {
        public static final Placeholders NONE = new Placeholders(-1, -1);
    }

    /**
     * A picture, or one frame of a video, in the row of tokens.
     *
     * @param start index of its first token
     */
    public record Frame(int start, EncodedPicture picture, int index) {
        int tokens() {
            return picture.grid().frameTokens();
        }

        int end() {
            return start + tokens();
        }

        /** Features of the tokens {@code from} to {@code to - 1} of the input. */
        Tensor features(int from, int to) {
            return picture.features().rows((long) index * tokens() + from - start, to - from);
        }
    }

    private ModelInput(int[] ids, int[][] positions, List<Frame> frames) {
        this.ids = ids;
        this.positions = positions;
        this.frames = List.copyOf(frames);
    }

    /** Text alone. */
    public static ModelInput text(int[] ids) {
        return of(ids, Placeholders.NONE, List.of(), List.of());
    }

    /**
     * Text with pictures and videos.
     *
     * @param ids with one placeholder for each token of a picture or video; the frames of a video may stand apart
     * @param images in the order of their placeholders
     * @param videos in the order of their placeholders
     * @throws IllegalArgumentException if placeholders and features do not match one to one
     */
    public static ModelInput of(
            int[] ids, Placeholders placeholders, List<EncodedPicture> images, List<EncodedPicture> videos) {
        int[] own = ids.clone();
        List<Frame> frames = frames(own, placeholders, images, videos);
        return new ModelInput(own, positions(own.length, frames), frames);
    }

    private static List<Frame> frames(
            int[] ids, Placeholders placeholders, List<EncodedPicture> images, List<EncodedPicture> videos) {
        List<Frame> pictures = unplaced(images);
        List<Frame> clips = unplaced(videos);
        List<Frame> placed = new ArrayList<>();
        int nextPicture = 0;
        int nextClip = 0;
        for (int i = 0; i < ids.length; ) {
            boolean isImage = ids[i] == placeholders.image();
            if (!isImage && ids[i] != placeholders.video()) {
                i++;
                continue;
            }
            List<Frame> waiting = isImage ? pictures : clips;
            int next = isImage ? nextPicture++ : nextClip++;
            int run = i;
            while (run < ids.length && ids[run] == ids[i]) {
                run++;
            }
            int expected = next < waiting.size() ? waiting.get(next).tokens() : 0;
            if (expected == 0 || run - i < expected) {
                throw mismatch(isImage, i, run - i, next, expected);
            }
            Frame frame = waiting.get(next);
            placed.add(new Frame(i, frame.picture(), frame.index()));
            i += expected;
        }
        if (nextPicture < pictures.size() || nextClip < clips.size()) {
            throw new IllegalArgumentException(
                    "the tokens have places for %d pictures and %d video frames, but %d and %d were given"
                            .formatted(nextPicture, nextClip, pictures.size(), clips.size()));
        }
        return placed;
    }

    private static List<Frame> unplaced(List<EncodedPicture> pictures) {
        List<Frame> frames = new ArrayList<>();
        for (EncodedPicture picture : pictures) {
            for (int t = 0; t < picture.grid().t(); t++) {
                frames.add(new Frame(-1, picture, t));
            }
        }
        return frames;
    }

    private static IllegalArgumentException mismatch(boolean isImage, int at, int found, int number, int expected) {
        String kind = isImage ? "picture" : "video frame";
        return new IllegalArgumentException(
                expected == 0
                        ? "there is a placeholder for a %s at token %d, but only %d were given"
                                .formatted(kind, at, number)
                        : "%s %d has %d tokens, but there are %d placeholders for it from token %d on"
                                .formatted(kind, number + 1, expected, found, at));
    }

    private static int[][] positions(int length, List<Frame> frames) {
        int[][] positions = new int[3][length];
        int next = 0; // position of the next text token
        int at = 0;
        for (Frame frame : frames) {
            next = text(positions, at, frame.start(), next);
            int rows = frame.picture().grid().height() / Grid.MERGE;
            int columns = frame.picture().grid().width() / Grid.MERGE;
            for (int i = 0; i < rows * columns; i++) {
                positions[0][frame.start() + i] = next;
                positions[1][frame.start() + i] = next + i / columns;
                positions[2][frame.start() + i] = next + i % columns;
            }
            next += Math.max(rows, columns);
            at = frame.end();
        }
        text(positions, at, length, next);
        return positions;
    }

    private static int text(int[][] positions, int from, int to, int position) {
        int next = position;
        for (int i = from; i < to; i++, next++) {
            positions[0][i] = next;
            positions[1][i] = next;
            positions[2][i] = next;
        }
        return next;
    }

    /** Number of tokens. */
    public int length() {
        return ids.length;
    }

    public int[] ids() {
        return ids.clone();
    }

    /** Pictures and video frames in the order of their tokens. */
    public List<Frame> frames() {
        return frames;
    }

    /** Positions by axis (time, height, width), then token. */
    public int[][] positions() {
        return new int[][] {positions[0].clone(), positions[1].clone(), positions[2].clone()};
    }

    /** The position of a text token that follows the first {@code count} tokens. */
    public int positionAfter(int count) {
        int largest = -1;
        for (int[] axis : positions) {
            largest = Math.max(largest, Arrays.stream(axis, 0, count).max().orElse(-1));
        }
        return largest + 1;
    }
}
