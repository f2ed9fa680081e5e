package dev.jwen.nano;

import dev.jwen.chat.ContentPart;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Short talk in plain words, without reasoning: questions about Jwen, what a very small model cannot do, and the first
 * minute of an acquaintance. What is said is in the resources {@code commands.txt}, {@code refusals.txt} and
 * {@code small-talk.txt}, each of which says how it is written.
 */
public final class TalkSkills {
    private static final String HONEST = "I am a very small model, so I can't ";
    private static final String ABLE =
            " I can add, count letters, look at simple pictures and explain Jwen's commands.";

    /** A question about a command begins in one of these ways; each is a form of its own. */
    private static final List<String> OPENINGS = List.of(
            "how {do i|do you|does one} *",
            "how {can|could|would|should} i *",
            "{what is|what's|which is} the {command|way|option|best way} to *",
            "{what|which command} do i {use|need|type|run} to *",
            "{i want|i would like|i need|i'd like|i am trying} to *",
            "{is there a way|is it possible|is there a command} to *",
            "{can i|can jwen|can you|may i|does jwen let me} *",
            "{tell me|show me|explain|please tell me} how {to|i can} *",
            "*",
            "{how to|how} * {|with jwen|in jwen|using jwen}");

    /** And so does one about something that has a name. */
    private static final List<String> ABOUT = List.of(
            "what does * {do|mean}",
            "what is * {|for|good for}",
            "{explain|describe} * {|to me}",
            "tell me {about *|what * is|what * does}",
            "{when|why|where} {do|would|should} i use *",
            "how {do|does|can} {i|one} use *",
            "{what|how} about *",
            "i {do not|don't} {know|understand} *",
            "{what happens|what do i get} {with|from} *",
            "*");

    private TalkSkills() {}

    /** The skills, all of which are measured. */
    public static List<Skill> all() {
        return List.of(commands(), refusal(), smallTalk());
    }

    /** Questions about Jwen's commands. Right names what the answer names, and nothing else that can be typed. */
    private static Skill commands() {
        List<Entry> facts = entries("commands.txt");
        return new Talk("commands", random -> {
            Entry fact = Sayings.pick(facts, random);
            String form = Sayings.pick(fact.lines(), random);
            if (form.startsWith("to ")) {
                form = Sayings.pick(OPENINGS, random).replace("*", form.substring(3));
            } else if (form.startsWith("about ")) {
                form = Sayings.pick(ABOUT, random).replace("*", form.substring(6));
            }
            String answer = fact.answers().getFirst();
            Set<String> named = named(answer);
            return new Saying(
                    form,
                    Sayings.expand(form, random),
                    answer,
                    said -> named(said).equals(named)
                            && fact.musts().stream().allMatch(said.toLowerCase(Locale.ROOT)::contains));
        });
    }

    /** All else, which is declined. Right is to say at once that it is a very small model and can't, and to call nothing. */
    private static Skill refusal() {
        List<Entry> kinds = entries("refusals.txt");
        return new Talk("refusal", random -> {
            Entry kind = Sayings.pick(kinds, random);
            String form = Sayings.pick(kind.lines(), random);
            String topic = Sayings.pick(kind.topics(), random);
            return new Saying(
                    form + "|" + topic,
                    Sayings.expand(form, random).replace("*", topic),
                    HONEST + kind.answers().getFirst() + "." + ABLE,
                    said -> said.startsWith(HONEST));
        });
    }

    /** Greetings, thanks, who it is. Right is one of the answers of the intent, word for word. */
    private static Skill smallTalk() {
        List<Entry> intents = entries("small-talk.txt");
        return new Talk("small-talk", random -> {
            Entry intent = Sayings.pick(intents, random);
            String form = Sayings.pick(intent.lines(), random);
            return new Saying(
                    form,
                    Sayings.expand(form, random),
                    Sayings.pick(intent.answers(), random),
                    said -> intent.answers().contains(said));
        });
    }

    /**
     * A question and its answer.
     *
     * @param form the pattern of the question: the key
     */
    private record Saying(String form, String question, String answer, Predicate<String> right) {}

    private record Talk(String name, Function<SplittableRandom, Saying> sayings) implements Skill {
        @Override
        public Problem problem(SplittableRandom random, Split split) {
            while (true) {
                Saying saying = sayings.apply(random);
                String key = name + "|" + saying.form();
                if (Split.of(key) == split) {
                    String asked = Sayings.typed(saying.question(), random);
                    return new Problem(
                            key,
                            Sayings.exchange(List.of(new ContentPart.Text(asked)), "", saying.answer()),
                            led -> saying.right().test(Sayings.answer(led)));
                }
            }
        }
    }

    private static final Pattern NAMED = Pattern.compile("`([^`]+)`");

    /** What an answer tells to type: all that is in backquotes. */
    private static Set<String> named(String answer) {
        return NAMED.matcher(answer)
                .results()
                .map((MatchResult match) -> match.group(1))
                .collect(Collectors.toSet());
    }

    /**
     * One thing that people ask.
     *
     * @param lines patterns of questions
     * @param topics what * stands for, empty where it does not occur
     * @param answers any of which will do
     * @param musts what a right answer holds besides
     */
    private record Entry(List<String> lines, List<String> topics, List<String> answers, List<String> musts) {}

    private static List<Entry> entries(String resource) {
        Map<String, List<String>> lists = new HashMap<>();
        List<Entry> entries = new ArrayList<>();
        for (String block : read(resource).split("\n{2,}", -1)) {
            Entry entry = new Entry(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
            for (String line : block.lines().toList()) {
                if (line.startsWith("@")) {
                    int colon = line.indexOf(':');
                    lists.put(line.substring(0, colon), listed(line.substring(colon + 1)));
                } else if (line.startsWith("= ")) {
                    String topics = line.substring(2);
                    entry.topics().addAll(lists.getOrDefault(topics, listed(topics)));
                } else if (line.startsWith("> ")) {
                    entry.answers().add(line.substring(2));
                } else if (line.startsWith("! ")) {
                    entry.musts().add(line.substring(2));
                } else if (!line.isBlank() && !line.startsWith("#")) {
                    entry.lines().add(line);
                }
            }
            if (!entry.lines().isEmpty()) {
                if (entry.answers().isEmpty()) {
                    throw new IllegalStateException("%s: no answer to: %s"
                            .formatted(resource, entry.lines().getFirst()));
                }
                entries.add(entry);
            }
        }
        return entries;
    }

    private static List<String> listed(String text) {
        return List.of(text.strip().split(", *", -1));
    }

    private static String read(String resource) {
        try (InputStream in = TalkSkills.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException(
                        "The resource %s is missing beside %s".formatted(resource, TalkSkills.class));
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("Reading the resource %s failed".formatted(resource), e);
        }
    }
}
