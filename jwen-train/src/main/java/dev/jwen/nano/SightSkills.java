package dev.jwen.nano;

import dev.jwen.chat.ContentPart;
import dev.jwen.nano.Scene.Colour;
import dev.jwen.nano.Scene.Figure;
import dev.jwen.nano.Scene.Form;
import dev.jwen.nano.Scene.Place;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Questions about pictures of plain figures. Answers are judged by the facts they name: colours, forms, places, numbers,
 * yes or no. They must be the right ones and no others; the words between them are free.
 *
 * <p>What asks for one figure among others is answered by thinking first: the reasoning describes the picture, and the
 * answer is read from there. So all of these questions teach the same seeing. Asked without it, a network of this size
 * learned to find colours and to count, but answered yes and no by chance. Whether something is there is a question of where
 * it is, and the reasoning says so before the answer does.
 */
public final class SightSkills {
    private static final List<String> NUMBERS = List.of("one", "two", "three", "four", "five");

    /** Every word that states a fact, and how it is also spelled. */
    private static final Pattern FACT = Pattern.compile(Stream.of(
                    Stream.of(Colour.values()).map(Colour::toString),
                    Stream.of(Form.values()).map(Form::toString),
                    Stream.of(Place.values()).map(Place::toString),
                    NUMBERS.stream(),
                    Stream.of("center", "[0-9]+", "six", "seven", "eight", "nine", "ten"),
                    Stream.of("yes", "no", "nothing"))
            .flatMap(Function.identity())
            .collect(Collectors.joining("|", "\\b(", ")s?\\b")));

    private SightSkills() {}

    /** The skills that are measured, the easier first. */
    public static List<Skill> all() {
        return List.of(
                new Sight("picture-presence", random -> presence(few(random), random)),
                new Sight("picture-place", random -> place(few(random), random)),
                new Sight("picture-colour", random -> colour(few(random), random)),
                new Sight("picture-shape", random -> shape(few(random), random)),
                new Sight("picture-count", SightSkills::count),
                new Sight("picture-describe", random -> describe(few(random))));
    }

    /** {@code picture-first}: one figure described. Seeing is learned soonest from one question about one thing. */
    public static Skill first() {
        return new Sight("picture-first", random -> describe(Scene.any(random, 1)));
    }

    /**
     * {@code picture-several}: several questions about one picture, answered in their order. Each answer is a word or two,
     * and so teaches less than a description does; several of them for one description teach the more.
     */
    public static Skill several() {
        return new Sight("picture-several", SightSkills::several);
    }

    /**
     * What to ask about a scene.
     *
     * @param subject what is asked, apart from the words: part of the key; a line for each question
     * @param wording the question in one of its wordings, a pattern
     * @param reasoning what is thought before the answer, may be empty
     */
    private record Question(
            Scene scene, String subject, String wording, String reasoning, String answer, Predicate<String> right) {
        /** Answered by looking at the whole picture first. */
        Question(Scene scene, String subject, String wording, String answer) {
            this(scene, subject, wording, described(scene), answer, named(facts(answer)));
        }
    }

    private record Sight(String name, Function<SplittableRandom, Question> questions) implements Skill {
        @Override
        public Problem problem(SplittableRandom random, Split split) {
            while (true) {
                Question question = questions.apply(random);
                List<String> keys = question.subject()
                        .lines()
                        .map(subject -> "picture|%s|%s"
                                .formatted(subject, question.scene().key()))
                        .toList();
                if (keys.stream().allMatch(key -> Split.of(key) == split)) {
                    String asked = Sayings.typed(Sayings.expand(question.wording(), random), random);
                    ContentPart picture = new ContentPart.Image(Canvas.dataUrl(question.scene(), random));
                    ContentPart text = new ContentPart.Text(asked);
                    // A picture that is dropped into a message may come after the words.
                    boolean after = random.nextInt(6) == 0;
                    List<ContentPart> parts = after ? List.of(text, picture) : List.of(picture, text);
                    return new Problem(
                            String.join("\n", keys),
                            Sayings.exchange(parts, question.reasoning(), question.answer()),
                            led -> question.right().test(Sayings.answer(led)));
                }
            }
        }
    }

    /** One figure in half of the pictures, as one is easier than three. */
    private static Scene few(SplittableRandom random) {
        return Scene.any(random, Math.max(1, random.nextInt(-1, 4)));
    }

    private static Question presence(Scene scene, SplittableRandom random) {
        boolean there = random.nextBoolean();
        int kind = random.nextInt(3);
        while (true) {
            Figure shown = Sayings.pick(scene.figures(), random);
            Colour colour = there ? shown.colour() : Scene.colour(random, scene.dark());
            Form form = there ? shown.form() : Sayings.pick(List.of(Form.values()), random);
            if (!there && kind == 0 && random.nextInt(3) > 0) {
                // Half right is the harder question.
                if (random.nextBoolean()) {
                    colour = shown.colour();
                } else {
                    form = shown.form();
                }
            }
            Figure asked = new Figure(colour, form, shown.place());
            Predicate<Figure> fits = switch (kind) {
                case 0 -> figure -> figure.colour() == asked.colour() && figure.form() == asked.form();
                case 1 -> figure -> figure.form() == asked.form();
                default -> figure -> figure.colour() == asked.colour();
            };
            Optional<Figure> found = scene.figures().stream().filter(fits).findFirst();
            // The ground could pass for a thing of its colour.
            boolean asksGround = kind == 2 && colour == (scene.dark() ? Colour.BLACK : Colour.WHITE);
            if (found.isPresent() == there && !asksGround) {
                String answer = there ? "Yes." : "No.";
                String article = colour == Colour.ORANGE ? "an" : "a";
                String thing = switch (kind) {
                    case 0 -> "%s %s %s".formatted(article, colour, form);
                    case 1 -> "a " + form;
                    default -> "anything " + colour;
                };
                String wording = kind == 2
                        ? "{is there ~ {here|in this picture|in the picture|in this image|to be seen}|is ~ {here|in this picture|in the picture|in the image}|do you see ~|can you see ~ {here|}|{does this picture have|does it show} ~}"
                        : "{is there ~ {here|in this picture|in the picture|in this image|}|do you see ~ {in this picture|here|}|can you see ~|{does this picture|does the picture|does this image} {show|have|contain} ~}";
                String where = found.map(figure -> "in the " + figure.place()).orElse("nowhere");
                return new Question(
                        scene,
                        "is there " + thing,
                        wording.replace("~", thing),
                        described(scene) + " " + sentence(thing + ": " + where),
                        answer,
                        named(facts(answer)));
            }
        }
    }

    private static Question place(Scene scene, SplittableRandom random) {
        if (random.nextInt(3) == 0) {
            Place place = random.nextInt(4) == 0
                    ? Sayings.pick(List.of(Place.values()), random)
                    : Sayings.pick(scene.figures(), random).place();
            String answer = scene.figures().stream()
                    .filter(figure -> figure.place() == place)
                    .findFirst()
                    .map(figure -> sentence(figure.named()))
                    .orElse("Nothing.");
            return new Question(
                    scene,
                    "what is in the " + place,
                    "{what is|what's|what do you see|which thing is|what can you see} {in|at} the " + spelled(place),
                    answer);
        }
        Figure figure = Sayings.pick(scene.figures(), random);
        String thing;
        if (scene.figures().size() == 1 && random.nextInt(4) == 0) {
            thing = "shape";
        } else if (scene.count(figure.form()) == 1 && random.nextInt(3) > 0) {
            thing = figure.form().toString();
        } else if (scene.count(figure.colour(), figure.form()) == 1) {
            thing = figure.colour() + " " + figure.form();
        } else {
            return place(scene, random);
        }
        String answer = sentence(figure.place().toString());
        String wording =
                "{where is the ~ {in this picture|in the picture|}|where's the ~|where do you see the ~|where in {the|this} picture is the ~|{in|at} {which|what} place is the ~|which {corner or place|part of the picture} is the ~ in|where can i find the ~}";
        return new Question(scene, "where is the " + thing, wording.replace("~", thing), answer);
    }

    private static Question colour(Scene scene, SplittableRandom random) {
        while (true) {
            Figure figure = Sayings.pick(scene.figures(), random);
            String thing;
            if (random.nextInt(3) == 0) {
                thing = scene.figures().size() == 1 && random.nextBoolean()
                        ? "{shape|figure}"
                        : "{shape|figure|thing} {in|at} the " + spelled(figure.place());
            } else if (scene.count(figure.form()) == 1) {
                thing = figure.form().toString();
            } else {
                continue;
            }
            String answer = sentence(figure.colour().toString());
            String wording =
                    "{what {colour|color} is the ~|what {colour|color} does the ~ have|which {colour|color} {is|has} the ~|what is the {colour|color} of the ~|tell me the {colour|color} of the ~|the ~ is what {colour|color}}";
            return new Question(scene, "colour of the " + figure.form(), wording.replace("~", thing), answer);
        }
    }

    private static Question shape(Scene scene, SplittableRandom random) {
        while (true) {
            Figure figure = Sayings.pick(scene.figures(), random);
            String wording;
            if (scene.figures().size() == 1 && random.nextInt(3) > 0) {
                wording =
                        "{what {shape|figure} is {this|it|that|shown|in {the|this} picture}|which {shape|figure} is {this|it|shown|that}|what {shape|figure} do you see {here|}|what is the {shape|figure} {in this picture|here|called}|name {this|the} shape}";
            } else if (scene.count(figure.colour()) == 1 && random.nextBoolean()) {
                wording =
                        "{{what|which} {shape|figure} is ~|what shape is the ~ {one|thing|figure}|what is the shape of the ~ {one|thing|figure}|what shape does the ~ {thing|one|figure} have}"
                                .replace("~", figure.colour().toString());
            } else {
                wording = "{what|which} {shape|figure} {is|do you see|can you see} {in|at} the "
                        + spelled(figure.place());
            }
            String answer = sentence("a " + figure.form());
            return new Question(scene, "shape of the " + figure.place(), wording, answer);
        }
    }

    private static Question several(SplittableRandom random) {
        Scene scene = Scene.any(random, random.nextInt(2, 4));
        List<Question> questions = new ArrayList<>();
        for (int i = random.nextInt(2, 4); i > 0; i--) {
            questions.add(
                    switch (random.nextInt(4)) {
                        case 0 -> presence(scene, random);
                        case 1 -> place(scene, random);
                        case 2 -> colour(scene, random);
                        default -> shape(scene, random);
                    });
        }
        String described = described(scene); // with which the reasoning of each begins
        String answer = joined(questions, " ", Question::answer);
        return new Question(
                scene,
                joined(questions, "\n", Question::subject),
                joined(questions, "? ", Question::wording),
                described
                        + joined(questions, "", question -> question.reasoning().substring(described.length())),
                answer,
                text -> facts(text).equals(facts(answer)));
    }

    private static String joined(List<Question> questions, String by, Function<Question, String> what) {
        return questions.stream().map(what).collect(Collectors.joining(by));
    }

    private static Question count(SplittableRandom random) {
        int count = random.nextInt(1, 6);
        String answer = sentence(NUMBERS.get(count - 1));
        return new Question(
                Scene.any(random, count),
                "how many",
                "{how many {shapes|figures|things} {are there|are in {this|the} picture|are here|do you see|can you see|does {this|the} picture show|are in this image}|count the {shapes|figures|things} {in this picture|here|}|what is the number of {shapes|figures}|how many {shapes|figures}}",
                "",
                answer,
                named(List.of(NUMBERS.get(count - 1))));
    }

    private static Question describe(Scene scene) {
        String answer = described(scene);
        List<String> expected = groups(facts(answer));
        return new Question(
                scene,
                "describe",
                "{{describe|please describe} {this|the} {picture|image|drawing} {for me|}|what {is|do you see} in {this|the} {picture|image|drawing}|what do you see {here|}|what does {this|the} {picture|image} show|tell me what {is in this picture|you see}|what is {shown|drawn} here|can you describe {this|the picture|this image}}",
                "",
                answer,
                text -> groups(facts(text)).equals(expected));
    }

    /** All figures in one sentence, three at most. */
    private static String described(Scene scene) {
        List<String> parts = scene.figures().stream().map(Figure::described).toList();
        return sentence(
                parts.size() < 3
                        ? String.join(" and ", parts)
                        : String.join(", ", parts.subList(0, 2)) + " and " + parts.get(2));
    }

    /** The facts by threes, colour, form and place, in the order of the alphabet. */
    private static List<String> groups(List<String> facts) {
        List<String> groups = new ArrayList<>();
        for (int i = 0; i < facts.size(); i += 3) {
            groups.add(String.join(" ", facts.subList(i, Math.min(i + 3, facts.size()))));
        }
        groups.sort(null);
        return groups;
    }

    private static Predicate<String> named(List<String> facts) {
        // Said twice is said once.
        return text -> new HashSet<>(facts(text)).equals(new HashSet<>(facts));
    }

    private static List<String> facts(String text) {
        return FACT.matcher(text.toLowerCase(Locale.ROOT))
                .results()
                .map(match -> match.group(1))
                .map(fact -> fact.equals("center") ? "centre" : fact)
                .map(fact -> fact.matches("[1-5]") ? NUMBERS.get(Integer.parseInt(fact) - 1) : fact)
                .toList();
    }

    /** A pattern of how people write a place. */
    private static String spelled(Place place) {
        return switch (place) {
            case CENTRE -> "{centre|center|middle}";
            case TOP_LEFT -> "{top left|top left corner|upper left}";
            case TOP_RIGHT -> "{top right|top right corner|upper right}";
            case BOTTOM_LEFT -> "{bottom left|bottom left corner|lower left}";
            case BOTTOM_RIGHT -> "{bottom right|bottom right corner|lower right}";
        };
    }

    private static String sentence(String words) {
        return Sayings.capital(words) + ".";
    }
}
