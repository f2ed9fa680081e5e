package dev.jwen.kernel;

/**
 * The rows of a batch that belong to one sequence.
 *
 * @param row first row in the batch
 * @param count number of rows, at least 1
 * @param past tokens of the sequence that were read before this batch
 */
public record Span(int row, int count, int past) {}
