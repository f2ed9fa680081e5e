package dev.jwen.nano;

import dev.jwen.train.Page;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Draws scores as bars with their intervals and targets: an SVG picture that needs nothing else. */
public final class ScorePicture {
    private static final int WIDTH = 960;
    private static final int LEFT = 200;
    private static final int RIGHT = 740; // numbers stand beyond
    private static final int TOP = 64;
    private static final int ROW = 26;
    private static final int BAR = 14;

    private final Formatter svg = new Formatter(new StringBuilder(), Locale.ROOT); // numbers with points

    private ScorePicture() {}

    /**
     * The picture.
     *
     * @param targets by the name of a skill, 0 to 1; skills without one get no mark
     */
    public static String svg(String title, List<Score> scores, Map<String, Double> targets) {
        return new ScorePicture().draw(title, scores, targets);
    }

    private String draw(String title, List<Score> scores, Map<String, Double> targets) {
        int bottom = TOP + ROW * scores.size();
        svg.format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\">\n",
                WIDTH, bottom + 40);
        svg.format("<title>%s</title>\n", Page.escaped(title));
        svg.format("%s\n", Page.pictureStyle());
        svg.format("<rect width=\"100%%\" height=\"100%%\" fill=\"var(--back)\"/>\n");
        svg.format(
                "<text x=\"16\" y=\"28\" font-size=\"16\" font-weight=\"bold\" fill=\"var(--text)\">%s</text>\n",
                Page.escaped(title));
        for (int percent = 0; percent <= 100; percent += 20) {
            double x = x(percent / 100.0);
            svg.format(
                    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"var(--line)\"/>\n",
                    x, x, TOP - 8, bottom);
            svg.format(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"var(--faint)\">%d %%</text>\n",
                    x, bottom + 18, percent);
        }
        for (int i = 0; i < scores.size(); i++) {
            row(
                    TOP + ROW * i + ROW / 2.0,
                    scores.get(i),
                    targets.get(scores.get(i).skill()));
        }
        svg.format(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"var(--faint)\">thin line: 95 %% interval (Wilson); upright mark: target</text>\n",
                RIGHT, bottom + 34);
        return svg.format("</svg>\n").toString();
    }

    private void row(double y, Score score, @Nullable Double target) {
        boolean isMissed = target != null && score.accuracy() < target;
        svg.format(
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"var(--text)\">%s</text>\n",
                LEFT - 12, y + 4, Page.escaped(score.skill()));
        svg.format(
                "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"var(--%s)\"/>\n",
                LEFT,
                y - BAR / 2.0,
                x(score.accuracy()) - LEFT,
                BAR,
                target == null ? "accent" : isMissed ? "bad" : "good");
        svg.format(
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--text)\" stroke-width=\"1.5\"/>\n",
                x(score.low()), x(score.high()), y, y);
        if (target != null) {
            svg.format(
                    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--text)\" stroke-width=\"3\"/>\n",
                    x(target), x(target), y - ROW / 2.0 + 2, y + ROW / 2.0 - 2);
        }
        svg.format(
                "<text x=\"%d\" y=\"%.1f\" fill=\"var(--text)\">%.1f %% <tspan fill=\"var(--faint)\">%d of %d</tspan></text>\n",
                RIGHT + 12, y + 4, 100 * score.accuracy(), score.solved(), score.problems());
    }

    private static double x(double share) {
        return LEFT + share * (RIGHT - LEFT);
    }
}
