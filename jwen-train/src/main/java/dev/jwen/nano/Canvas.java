package dev.jwen.nano;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Area;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Draws scenes; sizes, hues and offsets are left to chance. Most pictures have 192 x 192 pixels, one in four another size. */
final class Canvas {
    private static final int USUAL = 192;

    private Canvas() {}

    /** The picture as a PNG in a data URL. */
    static String dataUrl(Scene scene, SplittableRandom random) {
        BufferedImage picture = draw(scene, random);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
            ImageIO.write(picture, "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException("Writing a picture to memory failed", e);
        }
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(bytes.toByteArray());
    }

    static BufferedImage draw(Scene scene, SplittableRandom random) {
        int width = USUAL;
        int height = USUAL;
        if (random.nextInt(4) == 0) {
            width = random.nextInt(96, 401);
            // No flatter than paper and screens are.
            height = Math.clamp(Math.round(width * random.nextDouble(0.7, 1.4)), 96, 400);
        }
        BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D pen = picture.createGraphics();
        pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        pen.setColor(ground(scene.dark(), random));
        pen.fillRect(0, 0, width, height);
        for (Scene.Figure figure : scene.figures()) {
            boolean alone = scene.figures().size() == 1;
            double radius = Math.min(width, height) * radius(figure.place(), alone, random);
            double slack = alone ? 0.06 : 0.03;
            double x = middle(figure.place().x, slack, width, radius, random);
            double y = middle(figure.place().y, slack, height, radius, random);
            AffineTransform at = AffineTransform.getTranslateInstance(x, y);
            at.rotate(random.nextDouble(-0.12, 0.12));
            at.scale(radius, radius);
            pen.setColor(hue(figure.colour(), random));
            pen.fill(at.createTransformedShape(outline(figure.form())));
        }
        pen.dispose();
        return picture;
    }

    /** As a share of the shorter side. A figure alone may be large; others must leave room. */
    private static double radius(Scene.Place place, boolean alone, SplittableRandom random) {
        if (!alone) {
            return random.nextDouble(0.1, 0.15);
        }
        return random.nextDouble(0.09, place == Scene.Place.CENTRE ? 0.36 : 0.22);
    }

    /** Where a figure lies on one axis: near its place and wholly inside. */
    private static double middle(double share, double slack, int side, double radius, SplittableRandom random) {
        double at = side * (share + random.nextDouble(-slack, slack));
        return Math.clamp(at, radius + 1, side - radius - 1);
    }

    private static Color ground(boolean dark, SplittableRandom random) {
        if (!dark && random.nextInt(2) == 0) {
            return Color.WHITE;
        }
        int grey = dark ? random.nextInt(0, 40) : random.nextInt(220, 251);
        return new Color(grey + random.nextInt(5), grey + random.nextInt(5), grey + random.nextInt(5));
    }

    private static Color hue(Scene.Colour colour, SplittableRandom random) {
        return switch (colour) {
            case RED -> mixed(-0.015, 0.015, 0.75, random);
            case ORANGE -> mixed(0.07, 0.108, 0.9, random);
            case YELLOW -> mixed(0.148, 0.172, 0.9, random);
            case GREEN -> mixed(0.30, 0.40, 0.5, random);
            case BLUE -> mixed(0.58, 0.67, 0.65, random);
            case PURPLE -> mixed(0.75, 0.835, 0.5, random);
            case BLACK -> grey(random.nextInt(0, 30));
            case WHITE -> grey(random.nextInt(235, 256));
        };
    }

    private static Color mixed(double from, double to, double darkest, SplittableRandom random) {
        return Color.getHSBColor((float) random.nextDouble(from, to), (float) random.nextDouble(0.8, 1), (float)
                random.nextDouble(darkest, 1));
    }

    private static Color grey(int value) {
        return new Color(value, value, value);
    }

    /** The figure around the origin, in a circle of radius 1. */
    private static Shape outline(Scene.Form form) {
        return switch (form) {
            case CIRCLE -> new Ellipse2D.Double(-0.95, -0.95, 1.9, 1.9);
            case SQUARE -> new Rectangle2D.Double(-0.82, -0.82, 1.64, 1.64);
            case TRIANGLE -> corners(3, 1);
            case STAR -> corners(5, 0.42);
            case CROSS -> {
                Area cross = new Area(new Rectangle2D.Double(-0.95, -0.28, 1.9, 0.56));
                cross.add(new Area(new Rectangle2D.Double(-0.28, -0.95, 0.56, 1.9)));
                yield cross;
            }
            case RING -> new BasicStroke(0.34f).createStrokedShape(new Ellipse2D.Double(-0.8, -0.8, 1.6, 1.6));
        };
    }

    /** A figure with so many points, the first on top; {@code waist} is how far out the sides between them begin. */
    private static Shape corners(int points, double waist) {
        Path2D.Double path = new Path2D.Double();
        for (int i = 0; i < 2 * points; i++) {
            if (i % 2 == 1 && waist == 1) {
                continue;
            }
            double radius = i % 2 == 0 ? 1 : waist;
            double angle = Math.PI * i / points;
            double x = radius * Math.sin(angle);
            double y = -radius * Math.cos(angle);
            if (i == 0) {
                path.moveTo(x, y);
            } else {
                path.lineTo(x, y);
            }
        }
        path.closePath();
        return path;
    }
}
