package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Questions about a small world of people, towns, pets and jobs, which the prompt tells in a few sentences in any order.
 *
 * <p>One hop asks for what one sentence says; two hops join two. The reasoning quotes the sentences that the answer needs,
 * behind a few words: a name at the start of a text has other tokens than the same name in what is told.
 * Where the question gives the end of a sentence, the reasoning repeats it first, {@code A pony: Eva has a pony.}, for a
 * network finds what followed a word more easily than what stood before it; and where the answer is yes or no, what was
 * asked is put beside what was found.
 * No two people of a world share a town, a pet or a job, and no two towns a place or an animal, so that every question has
 * one answer.
 *
 * <p>Several questions in one message are answered in their order: no skill that is measured, but to look up three things
 * teaches it sooner than to look up one.
 */
final class World implements Skill {
    private static final List<String> PEOPLE = List.of("""
            Ada Alan Alice Amir Anna Ben Bella Bruno Carla Carl Chloe Dan Dora Dina Elsa Emil Eva Finn Fred Gina Greta
            Hana Hugo Ida Ivan Jack Jana Jim Joy Karl Kim Kate Lara Leo Lily Lou Luca Mara Max Mia Mike Nina Noah Nora
            Olga Omar Oscar Paul Pia Peter Rita Rosa Ruth Sam Sara Sofia Tara Tim Tom Uma Vera Vic Will Yara Zoe""".split("\\s+"));

    private static final List<String> TOWNS = List.of("""
            Arden Alton Bexley Brook Calder Camden Corby Dalton Denby Dover Eldon Elmore Fenton Ferndale Galway Garton
            Halton Harlow Hexton Irving Ivydale Kelso Kendal Kirby Lowell Luton Linden Marlow Melton Milford Morley
            Norton Newby Oakham Orley Otley Penrith Pelham Quorn Radley Redhill Rowan Salton Selby Stanton Tarby Thorne
            Tilbury Upton Velden Vinton Walden Weston Wilton Yarrow Yelden""".split("\\s+"));

    private static final List<String> PETS = List.of(
            "cat",
            "dog",
            "parrot",
            "rabbit",
            "hamster",
            "pony",
            "goldfish",
            "turtle",
            "canary",
            "mouse",
            "snake",
            "goat");

    private static final List<String> JOBS = List.of(
            "baker",
            "doctor",
            "teacher",
            "farmer",
            "painter",
            "singer",
            "pilot",
            "nurse",
            "miller",
            "tailor",
            "driver",
            "gardener",
            "cook",
            "sailor",
            "judge");

    private static final List<String> PLACES = List.of(
            "by the sea",
            "by a lake",
            "by a river",
            "in the hills",
            "in the forest",
            "in the desert",
            "in the north",
            "in the south",
            "on an island");

    private static final List<String> ANIMALS =
            List.of("fox", "wolf", "bear", "swan", "deer", "lion", "hawk", "tiger", "whale", "zebra", "camel", "moose");

    /** A person, and what belongs to the person and to the town where the person lives. */
    private record Person(String name, String town, String pet, String job, String place, String animal) {
        String lives() {
            return name + " lives in " + town + ".";
        }

        String has() {
            return name + " has a " + pet + ".";
        }

        String works() {
            return name + " is a " + job + ".";
        }

        String lies() {
            return town + " is " + place + ".";
        }

        String home() {
            return "There is a " + animal + " in " + town + ".";
        }

        List<String> all() {
            return List.of(lives(), has(), works(), lies(), home());
        }
    }

    /**
     * A question.
     *
     * @param facts the sentences that answer it
     * @param reasoning quotes them
     * @param answer as a sentence
     * @param word as few words as say it
     */
    private record Question(List<String> wordings, List<String> facts, String reasoning, String answer, String word) {
        /** What the sentences say is the answer as it stands in the last. */
        Question(List<String> wordings, List<String> facts, String reasoning, String word) {
            this(wordings, facts, reasoning, facts.getLast(), word);
        }

        /** Whether what the last sentence says of its subject is what was asked. */
        static Question yesOrNo(List<String> wordings, List<String> facts, String asked, boolean yes) {
            String word = yes ? "Yes" : "No";
            String reasoning = "%s %s? %s.".formatted(String.join(" ", facts), asked, word);
            return new Question(wordings, facts, reasoning, word + ", " + facts.getLast(), word);
        }
    }

    private final String name;
    private final boolean oneHop;
    private final int fewest;
    private final int most;

    private World(String name, boolean oneHop, int fewest, int most) {
        this.name = name;
        this.oneHop = oneHop;
        this.fewest = fewest;
        this.most = most;
    }

    /** {@code world-one-hop}. */
    static World oneHop() {
        return new World("world-one-hop", true, 1, 1);
    }

    /** {@code world-two-hops}. */
    static World twoHops() {
        return new World("world-two-hops", false, 1, 1);
    }

    /** {@code world-several}: several questions of one hop. */
    static World several() {
        return new World("world-several", true, 2, 5);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            List<Person> people = people(draw, draw.between(2, 4));
            Map<String, Question> questions = new LinkedHashMap<>();
            String decoy = "";
            int count = draw.between(fewest, most);
            // A world need not have so many questions of this split.
            for (int tries = 0; tries < 20 && questions.size() < count; tries++) {
                List<Person> two = draw.some(2, people);
                Person person = two.getFirst();
                Person other = two.getLast();
                Question question = oneHop ? oneHop(person, other, draw) : twoHops(person, other, draw);
                String key = "world " + new TreeSet<>(question.facts) + " " + question.answer;
                if (Split.of(key) == split) {
                    if (questions.isEmpty()) {
                        decoy = other.all().get(person.all().indexOf(question.facts.getLast()));
                    }
                    questions.put(key, question);
                }
            }
            if (questions.size() == count) {
                return problem(questions, decoy, people, draw);
            }
        }
    }

    private static List<Person> people(Draw draw, int count) {
        List<String> names = draw.some(count, PEOPLE);
        List<String> towns = draw.some(count, TOWNS);
        List<String> pets = draw.some(count, PETS);
        List<String> jobs = draw.some(count, JOBS);
        List<String> places = draw.some(count, PLACES);
        List<String> animals = draw.some(count, ANIMALS);
        List<Person> people = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            people.add(new Person(names.get(i), towns.get(i), pets.get(i), jobs.get(i), places.get(i), animals.get(i)));
        }
        return people;
    }

    /** @param decoy a sentence of the kind that answers the first question, about another: it makes sure that that is read */
    private static Problem problem(Map<String, Question> asked, String decoy, List<Person> people, Draw draw) {
        Collection<Question> questions = asked.values();
        Set<String> facts = new LinkedHashSet<>();
        questions.forEach(question -> facts.addAll(question.facts));
        List<String> others = new ArrayList<>();
        people.forEach(person -> others.addAll(person.all()));
        if (!draw.oneIn(4)) {
            facts.add(decoy);
        }
        others.removeAll(facts);
        int more = Math.max(0, draw.between(3, 7) - facts.size());
        facts.addAll(draw.some(Math.min(others.size(), more), others));
        String world = String.join(" ", draw.some(facts.size(), List.copyOf(facts)));
        String words = questions.stream()
                .map(question -> asked(question, questions.size() > 1, draw))
                .collect(Collectors.joining(" "));
        String prompt = draw.oneIn(4)
                ? words + (words.endsWith("?") ? "" : "?") + (draw.oneIn(2) ? "\n" : " ") + world
                : world + (draw.oneIn(3) ? "\n" : " ") + words;
        String reasoning =
                questions.stream().map(Question::reasoning).collect(Collectors.joining(" ", "Let me see. ", ""));
        String answer = questions.stream().map(Question::answer).collect(Collectors.joining(" "));
        String word = questions.stream().map(Question::word).collect(Collectors.joining(" "));
        return new Problem(
                String.join("\n", asked.keySet()),
                new Conversation(
                        List.of(Message.user(prompt), Message.assistant(answer, reasoning, List.of())), List.of()),
                conversation -> Verdict.answers(conversation, said(answer), word));
    }

    /** Names keep their capitals: people write them so, and a town may be called as a thing. */
    private static String asked(Question question, boolean isOneOfMany, Draw draw) {
        String asked = draw.of(question.wordings);
        if (draw.oneIn(4)) {
            asked = asked.substring(0, 1).toLowerCase(Locale.ROOT) + asked.substring(1);
        }
        return !isOneOfMany && draw.oneIn(5) ? asked.substring(0, asked.length() - 1) : asked;
    }

    /** A sentence after the end of it by which it was found. */
    private static String found(String by, String fact) {
        return Sayings.capital(by) + ": " + fact;
    }

    /** A sentence without its full stop. */
    private static String said(String sentence) {
        return sentence.substring(0, sentence.length() - 1);
    }

    private static Question oneHop(Person a, Person b, Draw draw) {
        boolean yes = draw.oneIn(2);
        return switch (draw.between(0, 11)) {
            case 0, 1 ->
                new Question(
                        List.of(
                                "Where does " + a.name + " live?",
                                "Where is " + a.name + "'s home?",
                                "In which town does " + a.name + " live?",
                                "Which town does " + a.name + " live in?"),
                        List.of(a.lives()),
                        a.lives(),
                        a.town);
            case 2 ->
                new Question(
                        List.of("Who lives in " + a.town + "?", "Who is from " + a.town + "?"),
                        List.of(a.lives()),
                        found("in " + a.town, a.lives()),
                        a.name);
            case 3 ->
                new Question(
                        List.of(
                                "What pet does " + a.name + " have?",
                                "Which pet does " + a.name + " have?",
                                "What is " + a.name + "'s pet?"),
                        List.of(a.has()),
                        a.has(),
                        a.pet);
            case 4 ->
                new Question(
                        List.of(
                                "Who has a " + a.pet + "?",
                                "Who has the " + a.pet + "?",
                                "Whose pet is the " + a.pet + "?"),
                        List.of(a.has()),
                        found("a " + a.pet, a.has()),
                        a.name);
            case 5 ->
                new Question(
                        List.of(
                                "What is " + a.name + "'s job?",
                                "What does " + a.name + " do?",
                                "What is the job of " + a.name + "?"),
                        List.of(a.works()),
                        a.works(),
                        a.job);
            case 6 ->
                new Question(
                        List.of(
                                "Who is the " + a.job + "?",
                                "Who is a " + a.job + "?",
                                "Which person is the " + a.job + "?"),
                        List.of(a.works()),
                        found("a " + a.job, a.works()),
                        a.name);
            case 7 ->
                new Question(
                        List.of("Where is " + a.town + "?", "Where does " + a.town + " lie?"),
                        List.of(a.lies()),
                        a.lies(),
                        said(a.lies()));
            case 8 ->
                new Question(
                        List.of("Which town is " + a.place + "?", "What town is " + a.place + "?"),
                        List.of(a.lies()),
                        found(a.place, a.lies()),
                        a.town);
            case 9 ->
                new Question(
                        List.of("Which animal is in " + a.town + "?", "What animal is there in " + a.town + "?"),
                        List.of(a.home()),
                        found("animal in " + a.town, a.home()),
                        a.animal);
            case 10 -> {
                String town = (yes ? a : b).town;
                yield Question.yesOrNo(
                        List.of("Does " + a.name + " live in " + town + "?", "Is " + a.name + " from " + town + "?"),
                        List.of(a.lives()),
                        "In " + town,
                        yes);
            }
            default -> {
                String place = (yes ? a : b).place;
                yield Question.yesOrNo(
                        List.of("Is " + a.town + " " + place + "?"), List.of(a.lies()), Sayings.capital(place), yes);
            }
        };
    }

    private static Question twoHops(Person a, Person b, Draw draw) {
        boolean yes = draw.oneIn(2);
        List<String> town = List.of(a.lives(), a.lies());
        return switch (draw.between(0, 9)) {
            case 0, 1 -> {
                String place = (yes ? a : b).place;
                yield Question.yesOrNo(
                        List.of(
                                "Is " + a.name + "'s town " + place + "?",
                                "Is the town where " + a.name + " lives " + place + "?",
                                "Does " + a.name + " live " + place + "?"),
                        town,
                        Sayings.capital(place),
                        yes);
            }
            case 2 ->
                new Question(
                        List.of("Where is " + a.name + "'s town?", "Where is the town where " + a.name + " lives?"),
                        town,
                        String.join(" ", town),
                        said(a.lies()));
            case 3 ->
                new Question(
                        List.of(
                                "Who lives " + a.place + "?",
                                "Who lives in the town " + a.place + "?",
                                "Which person lives " + a.place + "?"),
                        List.of(a.lies(), a.lives()),
                        found(a.place, a.lies()) + " " + found("in " + a.town, a.lives()),
                        a.name);
            case 4, 5 ->
                new Question(
                        List.of(
                                "Which animal is in the town where " + a.name + " lives?",
                                "What animal is in " + a.name + "'s town?",
                                "Which animal lives in " + a.name + "'s town?"),
                        List.of(a.lives(), a.home()),
                        a.lives() + " " + found("animal in " + a.town, a.home()),
                        a.animal);
            case 6 ->
                new Question(
                        List.of(
                                "Where does the " + a.job + " live?",
                                "In which town does the " + a.job + " live?",
                                "What is the town of the " + a.job + "?"),
                        List.of(a.works(), a.lives()),
                        found("a " + a.job, a.works()) + " " + a.lives(),
                        a.town);
            case 7 ->
                new Question(
                        List.of(
                                "Which pet does the " + a.job + " have?",
                                "What pet does the " + a.job + " have?",
                                "What is the pet of the " + a.job + "?"),
                        List.of(a.works(), a.has()),
                        found("a " + a.job, a.works()) + " " + a.has(),
                        a.pet);
            case 8 ->
                new Question(
                        List.of(
                                "What is the job of the person who has the " + a.pet + "?",
                                "What does the owner of the " + a.pet + " do?",
                                "What is the job of the " + a.pet + "'s owner?"),
                        List.of(a.has(), a.works()),
                        found("a " + a.pet, a.has()) + " " + a.works(),
                        a.job);
            default ->
                new Question(
                        List.of(
                                "What is the job of the person who lives in " + a.town + "?",
                                "What is the job of the person from " + a.town + "?",
                                "What does the person from " + a.town + " do?"),
                        List.of(a.lives(), a.works()),
                        found("in " + a.town, a.lives()) + " " + a.works(),
                        a.job);
        };
    }
}
