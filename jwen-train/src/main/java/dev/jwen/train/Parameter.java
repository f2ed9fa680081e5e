package dev.jwen.train;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.Map;

/**
 * A tensor that is trained: its value as the file stores it, the gradient of that, and both in the form in which the
 * network computes with them.
 */
final class Parameter {
    /** How the network's form of a value follows from the stored one. */
    enum Form {
        /** Equal, and the same memory. */
        SAME,
        /** 1 + w: the factor of a norm, stored around zero. */
        AROUND_ZERO,
        /** -exp(w): the decay rate, stored as {@code A_log}. */
        LOG_DECAY,
        /** Rows and columns exchanged: the kernel of the convolution, stored (channels, 1, taps). */
        TURNED
    }

    private final String name;
    private final Form form;
    private final Tensor value;
    private final Tensor gradient;
    private final Tensor used;
    private final Tensor usedGradient;

    /** A parameter of zeros, with this shape in the file. */
    Parameter(String name, Form form, long... shape) {
        this.name = name;
        this.form = form;
        this.value = Tensor.f32(shape);
        this.gradient = Tensor.f32(shape);
        this.used = form == Form.SAME ? value : Tensor.f32(usedShape(form, shape));
        this.usedGradient = switch (form) {
            case SAME, AROUND_ZERO -> gradient; // their slope is 1
            case LOG_DECAY, TURNED -> Tensor.f32(usedShape(form, shape));
        };
    }

    private static long[] usedShape(Form form, long[] shape) {
        return form == Form.TURNED ? new long[] {shape[shape.length - 1], shape[0]} : shape;
    }

    /** The name that {@link dev.jwen.checkpoint.Checkpoint} gives it. */
    String name() {
        return name;
    }

    Tensor value() {
        return value;
    }

    Tensor gradient() {
        return gradient;
    }

    Tensor used() {
        return used;
    }

    Tensor usedGradient() {
        return usedGradient;
    }

    /** Whether it is a matrix that multiplies activations: neither a table of embeddings nor the kernel of a convolution. */
    boolean isHiddenMatrix() {
        return value.rank() >= 2
                && form == Form.SAME
                && !name.equals("embed_tokens.weight")
                && !name.equals("lm_head.weight")
                && !name.equals("visual.pos_embed.weight");
    }

    /** Values that one output of it is made of, where it is a matrix: 1,536 for the patches of pictures. */
    long inputs() {
        return value.rank() > 3 ? value.size() / value.dim(0) : value.columns();
    }

    /** Brings the network's form up to date with the value. */
    void refresh() {
        switch (form) {
            case SAME -> {
                // One memory.
            }
            case AROUND_ZERO -> {
                for (int i = 0; i < value.columns(); i++) {
                    used.set(0, i, 1 + value.get(0, i));
                }
            }
            case LOG_DECAY -> {
                for (int i = 0; i < value.columns(); i++) {
                    used.set(0, i, (float) -Math.exp(value.get(0, i)));
                }
            }
            case TURNED -> turn(value, used);
        }
    }

    /** Brings the gradient of the value up to date with that of the network's form. */
    void collect() {
        switch (form) {
            case SAME, AROUND_ZERO -> {
                // One memory.
            }
            case LOG_DECAY -> {
                for (int i = 0; i < value.columns(); i++) {
                    gradient.set(0, i, usedGradient.get(0, i) * used.get(0, i));
                }
            }
            case TURNED -> turn(usedGradient, gradient);
        }
    }

    void clearGradient() {
        gradient.segment().fill((byte) 0);
        usedGradient.segment().fill((byte) 0);
    }

    /**
     * A copy of what an optimiser remembered of it.
     *
     * @param what the end of the name it was saved by
     * @throws IllegalArgumentException if it is missing or of another size
     */
    Tensor remembered(Map<String, Tensor> saved, String what) {
        Tensor tensor = saved.get(name + what);
        if (tensor == null || tensor.type() != DataType.F32 || tensor.size() != value.size()) {
            throw new IllegalArgumentException("what the optimiser remembers as %s is %s, expected F32 %s"
                    .formatted(name + what, tensor == null ? "missing" : tensor, Arrays.toString(value.shape())));
        }
        Tensor own = Tensor.f32(value.shape());
        own.copyFrom(tensor);
        return own;
    }

    private static void turn(Tensor from, Tensor to) {
        for (int row = 0; row < from.rows(); row++) {
            for (int column = 0; column < from.columns(); column++) {
                to.set(column, row, from.get(row, column));
            }
        }
    }

    @Override
    public String toString() {
        return name + " " + Arrays.toString(value.shape());
    }
}
