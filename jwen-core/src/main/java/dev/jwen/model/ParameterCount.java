package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;

/**
 * How many parameters a checkpoint holds, by part, counted from its tensors.
 *
 * @param trunk layers and final norm
 * @param activeTrunk the part of the trunk that one token passes through: all of it, or with experts the chosen ones
 * @param embedding token embedding, and the output matrix where it is not the same
 * @param mtp the head that predicts further tokens
 */
public record ParameterCount(long trunk, long activeTrunk, long embedding, long vision, long mtp) {

    /** Counts the tensors of {@code checkpoint}. */
    public static ParameterCount of(Checkpoint checkpoint, Config config) {
        long trunk = 0;
        long routed = 0;
        long embedding = 0;
        long vision = 0;
        long mtp = 0;
        for (String name : checkpoint.names()) {
            long size = checkpoint.tensor(name).size();
            if (name.startsWith("visual.")) {
                vision += size;
            } else if (name.startsWith("mtp.")) {
                mtp += size;
            } else if (name.equals("embed_tokens.weight") || name.equals("lm_head.weight")) {
                embedding += size;
            } else {
                trunk += size;
                routed += name.contains(".mlp.experts.") ? size : 0;
            }
        }
        long chosen = config.isMoe() ? routed / config.numExperts() * config.numExpertsPerTok() : 0;
        return new ParameterCount(trunk, trunk - routed + chosen, embedding, vision, mtp);
    }

    /** What running text needs: trunk and embedding. */
    public long text() {
        return trunk + embedding;
    }

    /** Everything in the checkpoint. */
    public long total() {
        return text() + vision + mtp;
    }
}
