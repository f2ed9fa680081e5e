package dev.jwen.nano;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.Collectors;

/**
 * What a picture shows: coloured figures, each in a place of its own.
 *
 * @param figures in the order of their places
 * @param dark whether the ground is dark, and black thus no colour of a figure; white is none on light ground
 */
record Scene(List<Figure> figures, boolean dark) {

    /** Eight colours that nobody takes for each other. */
    enum Colour {
        RED,
        ORANGE,
        YELLOW,
        GREEN,
        BLUE,
        PURPLE,
        BLACK,
        WHITE;

        /** Whether figures of this colour can be seen on such a ground. */
        boolean shows(boolean dark) {
            return this != (dark ? BLACK : WHITE);
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The outline of a figure. */
    enum Form {
        CIRCLE,
        SQUARE,
        TRIANGLE,
        STAR,
        CROSS,
        RING;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A place in a picture, with its middle as shares of width and height. */
    enum Place {
        TOP_LEFT(0.24, 0.24),
        TOP_RIGHT(0.76, 0.24),
        CENTRE(0.5, 0.5),
        BOTTOM_LEFT(0.24, 0.76),
        BOTTOM_RIGHT(0.76, 0.76);

        final double x;
        final double y;

        Place(double x, double y) {
            this.x = x;
            this.y = y;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', ' ');
        }
    }

    /** One thing in a picture. */
    record Figure(Colour colour, Form form, Place place) {
        /** As in {@code a red circle in the top left}. */
        String described() {
            return "%s in the %s".formatted(named(), place);
        }

        /** As in {@code a red circle}. */
        String named() {
            return "%s %s %s".formatted(colour == Colour.ORANGE ? "an" : "a", colour, form);
        }

        @Override
        public String toString() {
            return "%s %s %s".formatted(colour, form, place);
        }
    }

    Scene {
        figures = List.copyOf(figures);
    }

    /** Any scene with so many figures, at most one for each place. */
    static Scene any(SplittableRandom random, int count) {
        List<Place> places = new ArrayList<>(List.of(Place.values()));
        while (places.size() > count) {
            places.remove(random.nextInt(places.size()));
        }
        boolean dark = random.nextInt(3) == 0;
        List<Figure> figures = new ArrayList<>();
        for (Place place : places) {
            figures.add(new Figure(colour(random, dark), Sayings.pick(List.of(Form.values()), random), place));
        }
        return new Scene(figures, dark);
    }

    /** A colour that shows on such a ground. */
    static Colour colour(SplittableRandom random, boolean dark) {
        Colour colour;
        do {
            colour = Sayings.pick(List.of(Colour.values()), random);
        } while (!colour.shows(dark));
        return colour;
    }

    /** How many figures have this colour. */
    long count(Colour colour) {
        return figures.stream().filter(figure -> figure.colour() == colour).count();
    }

    /** How many figures have this form. */
    long count(Form form) {
        return figures.stream().filter(figure -> figure.form() == form).count();
    }

    /** How many figures have this colour and form. */
    long count(Colour colour, Form form) {
        return figures.stream()
                .filter(figure -> figure.colour() == colour && figure.form() == form)
                .count();
    }

    /** What is to be seen, without the ground and without what chance moves about. */
    String key() {
        return figures.stream().map(Figure::toString).collect(Collectors.joining(", "));
    }
}
