package dev.jwen.nano;

import dev.jwen.train.Page;
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

    private final StringBuilder svg = new StringBuilder();

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
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\">",
                WIDTH, bottom + 40);
        add("<title>%s</title>", Page.escaped(title));
        svg.append(Page.pictureStyle());
        add("<rect width=\"100%%\" height=\"100%%\" fill=\"var(--back)\"/>");
        add(
                "<text x=\"16\" y=\"28\" font-size=\"16\" font-weight=\"bold\" fill=\"var(--text)\">%s</text>",
                Page.escaped(title));
        for (int percent = 0; percent <= 100; percent += 20) {
            double x = x(percent / 100.0);
            add("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"var(--line)\"/>", x, x, TOP - 8, bottom);
            add(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"var(--faint)\">%d %%</text>",
                    x, bottom + 18, percent);
        }
        for (int i = 0; i < scores.size(); i++) {
            row(
                    TOP + ROW * i + ROW / 2.0,
                    scores.get(i),
                    targets.get(scores.get(i).skill()));
        }
        add(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"var(--faint)\">thin line: 95 %% interval (Wilson); upright mark: target</text>",
                RIGHT, bottom + 34);
        return svg.append("</svg>\n").toString();
    }

    private void row(double y, Score score, @Nullable Double target) {
        boolean isMissed = target != null && score.accuracy() < target;
        add(
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"var(--text)\">%s</text>",
                LEFT - 12, y + 4, Page.escaped(score.skill()));
        add(
                "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"var(--%s)\"/>",
                LEFT,
                y - BAR / 2.0,
                x(score.accuracy()) - LEFT,
                BAR,
                target == null ? "accent" : isMissed ? "bad" : "good");
        add(
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--text)\" stroke-width=\"1.5\"/>",
                x(score.low()), x(score.high()), y, y);
        if (target != null) {
            add(
                    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--text)\" stroke-width=\"3\"/>",
                    x(target), x(target), y - ROW / 2.0 + 2, y + ROW / 2.0 - 2);
        }
        add(
                "<text x=\"%d\" y=\"%.1f\" fill=\"var(--text)\">%.1f %% <tspan fill=\"var(--faint)\">%d of %d</tspan></text>",
                RIGHT + 12, y + 4, 100 * score.accuracy(), score.solved(), score.problems());
    }

    private static double x(double share) {
        return LEFT + share * (RIGHT - LEFT);
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
