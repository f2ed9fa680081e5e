package dev.jwen.bench;

import dev.jwen.kernel.PeakLoops.Arithmetic;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Draws kernels under the roof of the machine as an SVG picture that needs nothing else.
 *
 * <p>To the right goes the intensity, operations for each byte from memory; upwards the speed. Under the slope a kernel
 * waits for memory, under a flat line for arithmetic; the distance from the roof is what is lost.
 *
 * @see <a href="https://doi.org/10.1145/1498765.1498785">Roofline: an insightful visual performance model</a>
 */
public final class Roofline {
    private static final int WIDTH = 960;
    private static final int HEIGHT = 600;
    private static final int LEFT = 70;
    private static final int RIGHT = 935;
    private static final int TOP = 60;
    private static final int BOTTOM = 540;
    private static final double MIN_INTENSITY = 0.25;
    private static final double MAX_INTENSITY = 4096;

    /** Between the products with few tokens and those of prompts, where no kernel is. */
    private static final double LABELLED_INTENSITY = 90;

    private static final double CHARACTER = 5.6;
    private static final double LINE = 10;
    private static final double DOT = 3.5;

    private final Ceiling ceiling;
    private final double minRate;
    private final double maxRate;
    private final StringBuilder svg = new StringBuilder();
    private final List<Box> taken = new ArrayList<>();

    /** A place that a dot or a label takes. */
    private record Box(double left, double top, double right, double bottom) {
        boolean meets(Box other) {
            return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
        }
    }

    private record Point(String label, int color, double x, double y) {}

    private Roofline(Ceiling ceiling, List<KernelSpeed> shown) {
        this.ceiling = ceiling;
        double highest = ceiling.operationsPerSecond().values().stream()
                .mapToDouble(rate -> rate)
                .max()
                .orElse(1);
        double lowest = shown.stream()
                .mapToDouble(KernelSpeed::operationsPerSecond)
                .min()
                .orElse(highest / 1000);
        this.maxRate = highest * 1.5;
        this.minRate = Math.min(lowest, ceiling.readBytesPerSecond() * MIN_INTENSITY) / 1.5;
    }

    /** The picture; kernels whose data are in caches have no place in it. */
    public static String svg(String title, Ceiling ceiling, List<KernelSpeed> speeds) {
        List<KernelSpeed> shown =
                speeds.stream().filter(speed -> speed.bytes() > 0).toList();
        return new Roofline(ceiling, shown).draw(title, shown);
    }

    private String draw(String title, List<KernelSpeed> shown) {
        line(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">",
                WIDTH,
                HEIGHT));
        line("<style>");
        style("#3d444d", "#d5dae0", "#6e7781", List.of("#0969da", "#1a7f37", "#9a6700", "#cf222e", "#8250df"));
        line("@media(prefers-color-scheme:dark){");
        style("#c9d1d9", "#30363d", "#8b949e", List.of("#58a6ff", "#3fb950", "#d29922", "#ff7b72", "#bc8cff"));
        line("}");
        line("</style>");
        text(LEFT, 24, "font-size=\"15\" font-weight=\"bold\"", title);
        axes();
        roofs();
        List<Point> points = points(shown);
        legend(points);
        dots(points);
        line("</svg>");
        return svg.toString();
    }

    private void style(String text, String grid, String roof, List<String> colors) {
        line(String.format(
                "text{fill:%s}.grid{stroke:%s}.roof{stroke:%s;stroke-width:1.8;fill:none}.lead{stroke-width:.6}",
                text, grid, roof));
        for (int i = 0; i < colors.size(); i++) {
            line(String.format(".f%d{fill:%s}.s%d{stroke:%s}", i, colors.get(i), i, colors.get(i)));
        }
    }

    private void axes() {
        for (double v = MIN_INTENSITY; v <= MAX_INTENSITY; v *= 4) {
            line(String.format(Locale.ROOT, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x(v), TOP, BOTTOM));
            text(x(v), BOTTOM + 16, "text-anchor=\"middle\"", v < 1 ? "1/" + Math.round(1 / v) : "" + Math.round(v));
        }
        for (double v = Math.pow(10, Math.ceil(Math.log10(minRate))); v <= maxRate; v *= 10) {
            line(String.format(Locale.ROOT, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y(v), RIGHT));
            text(LEFT - 6, y(v) + 4, "text-anchor=\"end\"", String.format(Locale.ROOT, "%,d", Math.round(v / 1e9)));
        }
        text((LEFT + RIGHT) / 2.0, BOTTOM + 38, "text-anchor=\"middle\"", "operations for each byte from memory");
        text(
                0,
                0,
                String.format(
                        Locale.ROOT,
                        "text-anchor=\"middle\" transform=\"translate(20 %d) rotate(-90)\"",
                        (TOP + BOTTOM) / 2),
                "speed, GOPS");
    }

    /** The slope of the memory, and the flat roof of each arithmetic from where it meets the slope. */
    private void roofs() {
        double bandwidth = ceiling.readBytesPerSecond();
        double highest = 0;
        for (Map.Entry<Arithmetic, Double> roof : ceiling.operationsPerSecond().entrySet()) {
            double rate = roof.getValue();
            highest = Math.max(highest, rate);
            line(String.format(
                    Locale.ROOT, "<path class=\"roof\" d=\"M%.1f %.1fH%d\"/>", x(rate / bandwidth), y(rate), RIGHT));
            String label = String.format(Locale.ROOT, "%s %,d GOPS", name(roof.getKey()), Math.round(rate / 1e9));
            double at = Math.max(x(LABELLED_INTENSITY), x(rate / bandwidth) + 8);
            text(at, y(rate) - 5, "", label);
            take(at - 4, y(rate) - 15, at + label.length() * CHARACTER * 1.15, y(rate) + 1);
            take(x(rate / bandwidth), y(rate) - 1, RIGHT, y(rate) + 1);
        }
        double start = Math.max(MIN_INTENSITY, minRate / bandwidth);
        line(String.format(
                Locale.ROOT,
                "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                x(start),
                y(start * bandwidth),
                x(highest / bandwidth),
                y(highest)));
        for (double v = start; v < highest / bandwidth; v *= 1.02) {
            take(x(v) - 1, y(v * bandwidth) - 2, x(v) + 1, y(v * bandwidth) + 2);
        }
        double at = start * 1.15;
        double angle =
                -Math.toDegrees(Math.atan2(y(start * bandwidth) - y(highest), x(highest / bandwidth) - x(start)));
        text(
                0,
                0,
                String.format(
                        Locale.ROOT,
                        "transform=\"translate(%.1f %.1f) rotate(%.1f)\"",
                        x(at) - 4,
                        y(at * bandwidth) - 9,
                        angle),
                String.format(Locale.ROOT, "memory %.1f GB/s", bandwidth / 1e9));
        take(x(at) - 8, y(at * bandwidth * 3), x(at * 3), y(at * bandwidth * 0.95));
    }

    private static String name(Arithmetic arithmetic) {
        return switch (arithmetic) {
            case INT8 -> "int8";
            case BF16 -> "bfloat16";
            case F32 -> "float32";
        };
    }

    private List<Point> points(List<KernelSpeed> shown) {
        List<Integer> tokens = shown.stream()
                .filter(speed -> speed.kernel().startsWith("product"))
                .map(KernelSpeed::tokens)
                .distinct()
                .sorted()
                .toList();
        List<Point> points = new ArrayList<>();
        for (KernelSpeed speed : shown) {
            boolean product = speed.kernel().startsWith("product ");
            String label = product ? speed.kernel().substring(8) : speed.kernel() + " ×" + speed.tokens();
            int color = product ? Math.min(3, tokens.indexOf(speed.tokens())) : 4;
            double intensity = Math.clamp(speed.operations() / speed.bytes(), MIN_INTENSITY, MAX_INTENSITY);
            points.add(new Point(label, color, x(intensity), y(speed.operationsPerSecond())));
        }
        return points;
    }

    private void legend(List<Point> points) {
        Map<Integer, String> names = new TreeMap<>(
                Map.of(0, "product, 1 token", 1, "4 tokens", 2, "8 tokens", 3, "480 tokens", 4, "others, × tokens"));
        names.keySet().retainAll(points.stream().map(Point::color).toList());
        double at = LEFT;
        for (Map.Entry<Integer, String> entry : names.entrySet()) {
            line(String.format(
                    Locale.ROOT,
                    "<circle class=\"f%d\" cx=\"%.1f\" cy=\"42\" r=\"%.1f\"/>",
                    entry.getKey(),
                    at + 4,
                    DOT));
            text(at + 12, 46, "", entry.getValue());
            at += 34 + entry.getValue().length() * 6;
        }
    }

    private void dots(List<Point> points) {
        for (Point p : points) {
            line(String.format(
                    Locale.ROOT, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", p.color, p.x, p.y, DOT));
            take(p.x - DOT, p.y - DOT, p.x + DOT, p.y + DOT);
        }
        List<Point> fromLeft =
                points.stream().sorted(Comparator.comparingDouble(Point::x)).toList();
        for (Point p : fromLeft) {
            label(p);
        }
    }

    /** Writes a label in the free place nearest to its dot, on a ring of growing radius; below the roof is more room. */
    private void label(Point p) {
        double width = p.label.length() * CHARACTER;
        for (double radius = 6; radius < 260; radius += 4) {
            for (int step = 0; step < 24; step++) {
                double angle = 2 * Math.PI * step / 24 + Math.PI / 4;
                double anchorX = p.x + radius * Math.cos(angle);
                double anchorY = p.y + radius * Math.sin(angle);
                double left = Math.cos(angle) >= 0 ? anchorX : anchorX - width;
                Box box = new Box(left, anchorY - LINE / 2, left + width, anchorY + LINE / 2);
                boolean inside = box.left > LEFT && box.right < RIGHT && box.top > TOP && box.bottom < BOTTOM;
                if (inside && taken.stream().noneMatch(box::meets)) {
                    if (radius > 12) {
                        line(String.format(
                                Locale.ROOT,
                                "<path class=\"lead s%d\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                                p.color,
                                p.x,
                                p.y,
                                anchorX,
                                anchorY));
                    }
                    line(String.format(
                            Locale.ROOT,
                            "<text class=\"f%d\" x=\"%.1f\" y=\"%.1f\" font-size=\"10\">%s</text>",
                            p.color,
                            left,
                            anchorY + 3.5,
                            escape(p.label)));
                    taken.add(box);
                    return;
                }
            }
        }
    }

    private void take(double left, double top, double right, double bottom) {
        taken.add(new Box(left, top, right, bottom));
    }

    private double x(double intensity) {
        return LEFT + (RIGHT - LEFT) * Math.log(intensity / MIN_INTENSITY) / Math.log(MAX_INTENSITY / MIN_INTENSITY);
    }

    private double y(double rate) {
        return BOTTOM - (BOTTOM - TOP) * Math.log(rate / minRate) / Math.log(maxRate / minRate);
    }

    private void text(double x, double y, String attributes, String text) {
        line(String.format(Locale.ROOT, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>", x, y, attributes, escape(text)));
    }

    private void line(String element) {
        svg.append(element).append('\n');
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;");
    }
}
