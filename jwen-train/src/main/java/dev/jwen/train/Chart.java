package dev.jwen.train;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Curves over a common axis, as an SVG picture with the colours of a {@link Page}. */
final class Chart {
    private static final int WIDTH = 960;
    private static final int HEIGHT = 400;
    private static final int LEFT = 56;
    private static final int RIGHT = 800; // labels of curves stand beyond
    private static final int TOP = 16;
    private static final int BOTTOM = 360;
    private static final double LABEL_HEIGHT = 14;
    private static final int TICKS = 6;
    private static final double[] ROUND = {1, 2, 5, 10};

    /**
     * A curve.
     *
     * @param label stands at its end; empty for none
     * @param colour any of CSS
     * @param opacity 0 to 1
     * @param x ascending
     * @param y of the same length; where it is not finite, the curve is broken
     */
    @SuppressWarnings("ArrayRecordComponent") // drawn once, never compared
    record Curve(String label, String colour, double opacity, double[] x, double[] y) {}

    private record Label(String text, String colour, double y) {}

    private final double maxX;
    private final double minY;
    private final double maxY;
    private final StringBuilder svg = new StringBuilder();

    private Chart(double maxX, double minY, double maxY) {
        this.maxX = maxX > 0 ? maxX : 1;
        this.minY = minY;
        this.maxY = maxY > minY ? maxY : minY + 1;
    }

    /**
     * Draws curves from x = 0 on.
     *
     * @param unit what x counts
     * @param minY at the bottom; values outside are drawn at the edge
     */
    static String svg(String name, String unit, double minY, double maxY, List<Curve> curves) {
        double maxX = curves.stream()
                .flatMapToDouble(curve -> Arrays.stream(curve.x()))
                .max()
                .orElse(1);
        return new Chart(maxX, minY, maxY).draw(name, unit, curves);
    }

    private String draw(String name, String unit, List<Curve> curves) {
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>%s</title>\n",
                WIDTH, HEIGHT, Page.escaped(name));
        axes(unit);
        List<Label> labels = new ArrayList<>();
        for (Curve curve : curves) {
            String points = path(curve);
            if (points.isEmpty()) {
                continue;
            }
            add(
                    "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-opacity=\"%.2f\" stroke-width=\"1.6\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n",
                    points, curve.colour(), curve.opacity());
            if (!curve.label().isEmpty()) {
                labels.add(new Label(curve.label(), curve.colour(), y(last(curve.y()))));
            }
        }
        labels(labels);
        return svg.append("</svg>\n").toString();
    }

    private void axes(String unit) {
        double stepY = step(maxY - minY);
        for (double value = Math.ceil(minY / stepY) * stepY; value <= maxY + stepY * 1e-6; value += stepY) {
            add(
                    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--line)\"/>\n",
                    LEFT, RIGHT, y(value), y(value));
            add(
                    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"var(--faint)\">%s</text>\n",
                    LEFT - 8, y(value) + 4, number(value));
        }
        double stepX = step(maxX);
        for (double value = 0; value <= maxX * (1 + 1e-6); value += stepX) {
            add(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"var(--faint)\">%s</text>\n",
                    x(value), BOTTOM + 18, number(value));
        }
        add(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"var(--faint)\">%s</text>\n",
                RIGHT, BOTTOM + 36, Page.escaped(unit));
    }

    private String path(Curve curve) {
        StringBuilder path = new StringBuilder();
        boolean isDrawing = false;
        for (int i = 0; i < curve.x().length; i++) {
            if (!Double.isFinite(curve.y()[i])) {
                isDrawing = false;
                continue;
            }
            path.append(
                    String.format(Locale.ROOT, "%s%.1f %.1f", isDrawing ? "L" : "M", x(curve.x()[i]), y(curve.y()[i])));
            isDrawing = true;
        }
        // A line of no length shows the only point as a dot.
        return path.indexOf("L") < 0 && !path.isEmpty() ? path + "h0" : path.toString();
    }

    /** Labels at the heights of the ends of their curves, pushed apart where they would meet. */
    private void labels(List<Label> labels) {
        labels.sort(Comparator.comparingDouble(Label::y));
        double[] at = new double[labels.size()];
        double free = TOP;
        for (int i = 0; i < at.length; i++) {
            at[i] = Math.max(free, labels.get(i).y());
            free = at[i] + LABEL_HEIGHT;
        }
        double limit = HEIGHT - LABEL_HEIGHT / 2;
        for (int i = at.length - 1; i >= 0 && at[i] > limit; i--) {
            at[i] = limit;
            limit -= LABEL_HEIGHT;
        }
        for (int i = 0; i < at.length; i++) {
            add(
                    "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n",
                    RIGHT + 8,
                    at[i] + 4,
                    labels.get(i).colour(),
                    Page.escaped(labels.get(i).text()));
        }
    }

    private static double last(double[] values) {
        double last = 0;
        for (double value : values) {
            last = Double.isFinite(value) ? value : last;
        }
        return last;
    }

    private double x(double value) {
        return LEFT + value / maxX * (RIGHT - LEFT);
    }

    private double y(double value) {
        return BOTTOM - (Math.clamp(value, minY, maxY) - minY) / (maxY - minY) * (BOTTOM - TOP);
    }

    /** A round distance of ticks. */
    private static double step(double range) {
        double power = Math.pow(10, Math.floor(Math.log10(range / TICKS)));
        for (double round : ROUND) {
            if (range / (round * power) <= TICKS) {
                return round * power;
            }
        }
        return 10 * power;
    }

    private static String number(double value) {
        double size = Math.abs(value);
        if (size >= 1e9) {
            return trimmed(value / 1e9) + " B";
        }
        return size >= 1e6 ? trimmed(value / 1e6) + " M" : size >= 1e4 ? trimmed(value / 1e3) + " K" : trimmed(value);
    }

    private static String trimmed(double value) {
        return BigDecimal.valueOf(Math.round(value * 1e6), 6)
                .stripTrailingZeros()
                .toPlainString();
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }
}
