package dev.jwen.media;

import dev.jwen.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/** Cuts resized frames into patches as they come, so that no more than one frame is held. */
final class PatchWriter {
    private static final int CHANNELS = 3;

    private final ImageConfig config;
    private final Size size;
    private final int steps;
    private final Tensor values;
    private final float[][] normalised; // (3, 256): every value that a channel can have
    private final MessageDigest digest;
    private final float[] run;

    PatchWriter(ImageConfig config, Size size, int steps) {
        this.config = config;
        this.size = size;
        this.steps = steps;
        int side = config.patchSize();
        long rows = (long) steps * (size.height() / side) * (size.width() / side);
        this.values = Tensor.f32(rows, (long) CHANNELS * config.temporalPatchSize() * side * side);
        this.normalised = normalised(config);
        this.digest = sha256();
        this.run = new float[side * side];
        digest.update("%d x %s of %s %d %d %s %s"
                .formatted(
                        steps, size, side, config.temporalPatchSize(), config.mergeSize(), config.mean(), config.std())
                .getBytes(StandardCharsets.UTF_8));
    }

    // (p / 255 - mean) / std with the division folded into mean and std, in float32, as the published processor has it.
    private static float[][] normalised(ImageConfig config) {
        float[][] table = new float[CHANNELS][256];
        for (int c = 0; c < CHANNELS; c++) {
            float mean = config.mean().get(c).floatValue() * 255;
            float std = config.std().get(c).floatValue() * 255;
            for (int p = 0; p < 256; p++) {
                table[c][p] = (p - mean) / std;
            }
        }
        return table;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /** Writes one frame; a picture is written to every frame of its only step. */
    void frame(int index, Picture picture) {
        digest.update(ByteBuffer.wrap(picture.rgb()));
        write(index, picture);
    }

    /** Fills the last step with its last frame. */
    void repeat(int from, Picture picture) {
        for (int index = from; index < steps * config.temporalPatchSize(); index++) {
            write(index, picture);
        }
    }

    private void write(int index, Picture picture) {
        int side = config.patchSize();
        int merge = config.mergeSize();
        int step = index / config.temporalPatchSize();
        int within = index % config.temporalPatchSize();
        int gridHeight = size.height() / side;
        int gridWidth = size.width() / side;
        long row = (long) step * gridHeight * gridWidth;
        for (int blockRow = 0; blockRow < gridHeight; blockRow += merge) {
            for (int blockColumn = 0; blockColumn < gridWidth; blockColumn += merge) {
                for (int inner = 0; inner < merge * merge; inner++) {
                    int y = (blockRow + inner / merge) * side;
                    int x = (blockColumn + inner % merge) * side;
                    patch(row++, within, picture, x, y);
                }
            }
        }
    }

    private void patch(long row, int within, Picture picture, int x, int y) {
        int side = config.patchSize();
        int stride = CHANNELS * picture.width();
        for (int c = 0; c < CHANNELS; c++) {
            float[] table = normalised[c];
            int o = 0;
            for (int r = 0; r < side; r++) {
                int source = (y + r) * stride + CHANNELS * x + c;
                for (int i = 0; i < side; i++, source += CHANNELS) {
                    run[o++] = table[picture.rgb()[source] & 0xff];
                }
            }
            values.set(row, (long) (c * config.temporalPatchSize() + within) * run.length, run);
        }
    }

    Patches finish(List<Double> timestamps) {
        int side = config.patchSize();
        return new Patches(
                values,
                steps,
                size.height() / side,
                size.width() / side,
                timestamps,
                HexFormat.of().formatHex(digest.digest()));
    }
}
