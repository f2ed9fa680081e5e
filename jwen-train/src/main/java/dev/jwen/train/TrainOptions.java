package dev.jwen.train;

/**
 * How a network is trained.
 *
 * @param steps of the optimiser, in all
 * @param learningRate of AdamW, at its highest
 * @param muonLearningRate of Muon for the hidden matrices; 0 leaves these to AdamW too
 * @param decay of the hidden matrices
 * @param clip the largest norm of all gradients together; larger ones are made smaller
 * @param schedule of the learning rates
 * @param tokensAtOnce how many tokens go through the network together at most; more are taken in turns
 */
public record TrainOptions(
        long steps,
        double learningRate,
        double muonLearningRate,
        double decay,
        double clip,
        Schedule schedule,
        int tokensAtOnce) {}
