package dev.jwen.nano;

import java.util.SplittableRandom;

/** Something that the model can do: an endless supply of problems of one kind. Immutable. */
public interface Skill {
    /** A short name for tables, for example {@code addition}. */
    String name();

    /** A problem of this split; the same random numbers give the same problem. */
    Problem problem(SplittableRandom random, Split split);
}
