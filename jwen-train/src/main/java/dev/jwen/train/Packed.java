package dev.jwen.train;

import dev.jwen.kernel.Span;
import dev.jwen.model.EncodedPicture;
import dev.jwen.model.Grid;
import dev.jwen.model.ModelInput;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Documents one after another in one batch. Each is a sequence of its own: nothing leaks from one to the next.
 *
 * <p>The target of a row is the next token of its document; a row with weight 0 has none.
 */
final class Packed {
    private final int[] ids;
    private final int[][] positions;
    private final List<Span> spans;
    private final int[] targetRows;
    private final int[] targets;
    private final float[] targetWeights;
    private final List<Picture> pictures;
    private final int[] pictureRows;

    /**
     * Packs documents.
     *
     * @param placeholders the ids that stand for the tokens of pictures
     */
    Packed(List<Document> documents, ModelInput.Placeholders placeholders) {
        int size = documents.stream().mapToInt(Document::length).sum();
        this.ids = new int[size];
        this.positions = new int[3][size];
        this.spans = new ArrayList<>();
        this.pictures = documents.stream().flatMap(d -> d.pictures().stream()).toList();
        int[] rows = new int[size];
        int[] next = new int[size];
        float[] weights = new float[size];
        int[] seen = new int[size];
        int row = 0;
        int count = 0;
        int seenCount = 0;
        for (Document document : documents) {
            int length = document.length();
            System.arraycopy(document.ids(), 0, ids, row, length);
            ModelInput input = input(document, placeholders);
            int[][] places = input.positions();
            for (int axis = 0; axis < 3; axis++) {
                System.arraycopy(places[axis], 0, positions[axis], row, length);
            }
            for (int t = 0; t + 1 < length; t++) {
                if (document.weights()[t + 1] != 0) {
                    rows[count] = row + t;
                    next[count] = document.ids()[t + 1];
                    weights[count++] = document.weights()[t + 1];
                }
            }
            for (int t = 0; t < length && !document.pictures().isEmpty(); t++) {
                if (document.ids()[t] == placeholders.image()) {
                    seen[seenCount++] = row + t;
                }
            }
            spans.add(new Span(row, length, 0));
            row += length;
        }
        this.targetRows = Arrays.copyOf(rows, count);
        this.targets = Arrays.copyOf(next, count);
        this.targetWeights = Arrays.copyOf(weights, count);
        this.pictureRows = Arrays.copyOf(seen, seenCount);
    }

    /** The positions alone are asked for, so the features may be anything. */
    private static ModelInput input(Document document, ModelInput.Placeholders placeholders) {
        if (document.pictures().isEmpty()) {
            return ModelInput.text(document.ids());
        }
        List<EncodedPicture> unseen = new ArrayList<>();
        for (Picture picture : document.pictures()) {
            unseen.add(new EncodedPicture(
                    "", picture.grid(), Tensor.f32(picture.grid().tokens(), 1)));
        }
        return ModelInput.of(document.ids(), placeholders, unseen, List.of());
    }

    /** Rows, T. */
    int size() {
        return ids.length;
    }

    int[] ids() {
        return ids;
    }

    /** By axis (time, height, width), then row. */
    int[][] positions() {
        return positions;
    }

    /** The rows of each document. */
    List<Span> spans() {
        return spans;
    }

    /** Rows whose next token is learned. */
    int[] targetRows() {
        return targetRows;
    }

    /** By target row: the next token. */
    int[] targets() {
        return targets;
    }

    /** By target row: how much it counts. */
    float[] targetWeights() {
        return targetWeights;
    }

    /** Pictures in the order of their tokens. */
    List<Picture> pictures() {
        return pictures;
    }

    /** Rows where features of pictures stand. */
    int[] pictureRows() {
        return pictureRows;
    }

    /** The ids, with -1 where a feature of a picture takes the place of the embedding. */
    int[] embeddedIds() {
        int[] embedded = ids.clone();
        for (int row : pictureRows) {
            embedded[row] = -1;
        }
        return embedded;
    }

    List<Grid> grids() {
        return pictures.stream().map(Picture::grid).toList();
    }
}
