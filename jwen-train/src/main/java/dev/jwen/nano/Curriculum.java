package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.chat.Tool;
import dev.jwen.tools.Calculator;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * What is learned when: a mixture of skills, put into conversations as they happen. A question may follow others, stand
 * behind a system message, or be asked where a calculator lies at hand that it does not need.
 */
final class Curriculum {
    /** The share of training in which pictures are described, worlds are asked about, and nothing else. */
    private static final double FIRST = 0.14;

    private static final List<String> SYSTEM = List.of(
            "You are a helpful assistant.",
            "You are jwen-nano.",
            "Answer in short sentences.",
            "Be brief.",
            "You are a friendly assistant.");

    /**
     * A skill and how much of it there is.
     *
     * @param from the share of training after which it begins, 0 to 1
     * @param to the share of training after which it ends
     * @param isMeasured whether it is more than a way to others
     */
    record Share(Skill skill, double weight, double from, double to, boolean isMeasured) {
        boolean isOn(double done) {
            return from <= done && done <= to;
        }
    }

    /**
     * One lesson.
     *
     * @param thinking whether thinking was asked for, null where nobody said
     */
    record Lesson(Conversation conversation, @Nullable Boolean thinking) {}

    private final List<Share> shares;

    private Curriculum(List<Share> shares) {
        this.shares = List.copyOf(shares);
    }

    /** These skills in equal shares from beginning to end. */
    static Curriculum of(List<Skill> skills) {
        return new Curriculum(
                skills.stream().map(skill -> new Share(skill, 1, 0, 1, true)).toList());
    }

    /**
     * All skills of jwen-nano. It learns to see and to look up before it learns anything else: among lessons of all kinds
     * nothing but colours would be seen for a long time, as the network that the pictures are for changes with every step,
     * and of two that are told about any one would be named.
     */
    static Curriculum all() {
        List<Share> shares = new ArrayList<>();
        shares.add(new Share(SightSkills.first(), 4, 0, 0.2, false));
        shares.add(new Share(World.several(), 8, 0, FIRST, false));
        shares.add(new Share(World.several(), 4, FIRST, 1, false));
        shares.add(new Share(SightSkills.several(), 3, FIRST, 1, false));
        for (Skill skill : Suite.skills()) {
            shares.add(new Share(skill, weight(skill.name()), FIRST, 1, true));
        }
        return new Curriculum(shares);
    }

    private static double weight(String skill) {
        return switch (skill) {
            case "calculator-call", "calculator-answer" -> 0.6; // one kind of conversation, measured twice
            case "picture-count" -> 0.8;
            case "bug-fix" -> 0.9; // long
            case "picture-colour" -> 1.2;
            case "letter-count", "refusal", "picture-shape" -> 1.3;
            case "subtraction", "picture-presence", "picture-place", "picture-describe" -> 1.5;
            case "reverse" -> 1.8;
            case "upper-case" -> 2;
            case "small-talk" -> 2.2;
            case "world-one-hop", "world-two-hops" -> 2.5;
            case "commands" -> 3.5;
            default -> 1;
        };
    }

    /** What may stand before another question. */
    private static boolean isSmall(String skill) {
        return switch (skill) {
            case "addition",
                    "subtraction",
                    "upper-case",
                    "reverse",
                    "letter-count",
                    "small-talk",
                    "commands",
                    "refusal" -> true;
            default -> false;
        };
    }

    /** The lesson that these random numbers give after {@code done} of the training, 0 to 1. */
    Lesson lesson(SplittableRandom random, double done) {
        Skill skill = skill(random, done);
        Conversation demonstration = skill.problem(random, Split.TRAIN).demonstration();
        List<Message> messages = new ArrayList<>();
        if (random.nextInt(12) == 0) {
            messages.add(Message.system(SYSTEM.get(random.nextInt(SYSTEM.size()))));
        }
        boolean hasTools = !demonstration.tools().isEmpty();
        List<Skill> small = shares.stream()
                .filter(share -> share.isOn(done))
                .map(Share::skill)
                .filter(other -> isSmall(other.name()))
                .toList();
        boolean mayFollow = !small.isEmpty() && !skill.name().equals("bug-fix"); // that is long enough
        if (mayFollow && random.nextInt(4) == 0) {
            int earlier = random.nextInt(1, 4);
            for (int i = 0; i < earlier; i++) {
                Conversation before = small.get(random.nextInt(small.size()))
                        .problem(random, Split.TRAIN)
                        .demonstration();
                if (before.tools().isEmpty()) {
                    messages.addAll(before.messages());
                }
            }
        }
        messages.addAll(demonstration.messages());
        List<Tool> tools = !hasTools && random.nextInt(4) == 0 ? new Calculator().tools() : demonstration.tools();
        boolean unasked = !thinks(demonstration) && random.nextInt(10) == 0;
        Boolean thinking = unasked ? Boolean.FALSE : null;
        return new Lesson(new Conversation(messages, tools), thinking);
    }

    private static boolean thinks(Conversation conversation) {
        return conversation.messages().stream()
                .anyMatch(message -> message.role() == Role.ASSISTANT
                        && message.reasoning() != null
                        && !message.reasoning().isBlank());
    }

    private Skill skill(SplittableRandom random, double done) {
        double total = 0;
        for (Share share : shares) {
            total += share.isOn(done) ? share.weight : 0;
        }
        double at = random.nextDouble() * total;
        for (Share share : shares) {
            at -= share.isOn(done) ? share.weight : 0;
            if (at < 0) {
                return share.skill;
            }
        }
        return shares.getFirst().skill;
    }

    /** Skills that are measured. */
    List<Skill> measured() {
        return shares.stream().filter(Share::isMeasured).map(Share::skill).toList();
    }
}
