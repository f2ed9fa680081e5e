package dev.jwen.nano;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What ships with the model for people to read: what it is, how it was made, what it can and cannot do, by numbers. */
final class ModelCard {
    private ModelCard() {}

    /**
     * The card, in Markdown.
     *
     * @param parameters values that were trained
     * @param tokens read in training
     * @param scores of the suite on held-out problems
     * @param seed of these problems
     */
    static String of(long parameters, long tokens, List<Score> scores, long seed) {
        StringBuilder card = new StringBuilder();
        card.append("""
                ---
                license: apache-2.0
                pipeline_tag: image-text-to-text
                ---
                # jwen-nano

                A very small language model that ships with Jwen, so that a fresh
                machine without a network has something to talk to, and so that every part of Jwen can be tried and
                tested. It has the form of a Qwen 3.5 checkpoint (layers of gated delta net and gated attention, a vision
                tower, thinking, tool calls) and %s parameters. It is not a Qwen model and has nothing of one: Jwen
                trained it from random numbers, on a CPU, on nothing but problems that its own seeded generators make.

                ## What it can do

                Shares of %d held-out problems (seed %d), asked as a user would ask: with the chat template, greedy, with
                the tools it calls really run. Problems are held out by what is asked, not by the words.

                | skill | solved | 95 %% interval | aim |
                | --- | --- | --- | --- |
                """.formatted(
                        String.format(Locale.ROOT, "%.2f million", parameters / 1e6),
                        scores.isEmpty() ? 0 : scores.getFirst().problems(),
                        seed));
        Map<String, Double> targets = Suite.targets();
        for (Score score : scores) {
            Double target = targets.get(score.skill());
            card.append(String.format(
                    Locale.ROOT,
                    "| %s | %.1f %% | %.1f to %.1f %% | %s |%n",
                    score.skill(),
                    100 * score.accuracy(),
                    100 * score.low(),
                    100 * score.high(),
                    target == null ? "" : String.format(Locale.ROOT, "%.0f %%", 100 * target)));
        }
        card.append("""

                `jwen eval --suite nano -m jwen-nano --seed N` repeats this with problems of another seed.

                ## What it cannot do

                Everything else. It knows no facts about the world, writes no texts or programs, and holds no conversation
                beyond small talk. More than two numbers, or one of more than five digits, it leaves to the calculator, and
                adds up wrongly where there is none. It was taught to say so; where it answers a question outside the table, do not
                believe it. All of it holds for the wordings, names, towns and figures of those problems: of people and places with
                other names it finds little, and a question that leans on an earlier one it does not follow. Pictures are brought to
                192 by 192 pixels: plain figures on a plain ground are all it knows, and of two figures it may tell of the wrong one.

                ## How it was made

                `jwen pretrain --recipe nano -o DIR` on two CPU cores: %s million tokens of generated conversations, with
                Muon for the matrices of the layers and AdamW for the rest. Tokenizer, template and weights are
                Jwen's own. Log, report and evaluation are in `docs/nano` of the repository.
                """.formatted(String.format(Locale.ROOT, "%.0f", tokens / 1e6)));
        return card.toString();
    }
}
