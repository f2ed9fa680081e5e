package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Toolbox;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TextSkillsTest {
    private static final int PROBLEMS = 200;

    @TempDir
    Path temporary;

    static Stream<Skill> skills() {
        return TextSkills.all().stream();
    }

    private static List<Problem> problems(Skill skill, Split split, int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<Problem> problems = new ArrayList<>();
        for (int i = 0; i < PROBLEMS; i++) {
            problems.add(skill.problem(random, split));
        }
        return problems;
    }

    /** The conversation with another answer at its end. */
    private static Conversation with(Conversation conversation, String answer) {
        List<Message> messages = new ArrayList<>(conversation.messages());
        String reasoning = messages.removeLast().reasoning();
        messages.add(Message.assistant(answer, reasoning, List.of()));
        return new Conversation(messages, conversation.tools());
    }

    @Test
    void severalQuestionsAreOfOneSplitAndAnsweredInTheirOrder() {
        for (Split split : Split.values()) {
            for (Problem problem : problems(World.several(), split, 1)) {
                Conversation right = problem.demonstration();
                String answer = right.messages().getLast().text();
                assertThat(problem.key().lines().map(Split::of))
                        .hasSizeBetween(2, 5)
                        .containsOnly(split);
                assertThat(answer.split("(?<=[.]) ", -1))
                        .hasSize((int) problem.key().lines().count());
                assertThat(problem.solved().test(right)).isTrue();
                assertThat(problem.solved().test(with(right, answer.substring(answer.indexOf(". ") + 2))))
                        .isFalse();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("skills")
    void demonstrationsSolveTheirProblems(Skill skill) {
        for (Split split : Split.values()) {
            for (Problem problem : problems(skill, split, 1)) {
                assertThat(problem.solved().test(problem.demonstration()))
                        .as("%s", problem.demonstration())
                        .isTrue();
                assertThat(Split.of(problem.key())).isEqualTo(split);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("skills")
    void wrongAnswersSolveNothing(Skill skill) {
        List<Problem> problems = problems(skill, Split.HELD_OUT, 2);
        for (int i = 0; i < PROBLEMS; i++) {
            Problem problem = problems.get(i);
            Conversation right = problem.demonstration();
            for (Conversation wrong : wrong(skill, right)) {
                assertThat(problem.solved().test(wrong)).as("%s", wrong).isFalse();
            }
        }
    }

    /** Conversations that miss the demonstration by little. */
    private static List<Conversation> wrong(Skill skill, Conversation right) {
        Message question = right.messages().getFirst();
        List<Conversation> wrong = new ArrayList<>();
        wrong.add(new Conversation(List.of(question), right.tools()));
        wrong.add(new Conversation(List.of(question, Message.assistant("", "", List.of())), right.tools()));
        if (skill.name().equals("calculator-call")) {
            wrong.add(calling(right, new ToolCall("", "calculator", Map.of("expression", "1+1"))));
            wrong.add(calling(right, new ToolCall("", "abacus", call(right).arguments())));
            Map<String, Object> more =
                    Map.of("expression", call(right).arguments().get("expression") + " ", "x", 1);
            wrong.add(calling(right, new ToolCall("", "calculator", more)));
        } else if (skill.name().equals("bug-fix")) {
            for (int i = 0; i < right.messages().size(); i++) {
                if (!right.messages().get(i).toolCalls().isEmpty()
                        && right.messages().get(i).toolCalls().getFirst().name().equals("edit_file")) {
                    List<Message> messages = new ArrayList<>(right.messages());
                    messages.subList(i, i + 2).clear();
                    wrong.add(new Conversation(messages, right.tools()));
                }
            }
        } else {
            String answer = right.messages().getLast().text();
            wrong.add(with(right, "I do not know."));
            wrong.add(with(right, answer + " 1"));
            wrong.add(with(right, answer.replaceFirst("[0-9A-Za-z](\\.?)$", "$1")));
            wrong.add(with(right, answer.replaceAll("\\d", "7") + "7"));
        }
        return wrong.stream()
                .filter(conversation -> !conversation.equals(right))
                .toList();
    }

    private static ToolCall call(Conversation conversation) {
        return conversation.messages().get(1).toolCalls().getFirst();
    }

    private static Conversation calling(Conversation right, ToolCall call) {
        List<Message> messages = new ArrayList<>(right.messages());
        messages.set(1, Message.assistant("", "", List.of(call)));
        return new Conversation(messages, right.tools());
    }

    @ParameterizedTest
    @MethodSource("skills")
    void oneSeedGivesOneProblem(Skill skill) {
        for (int seed = 0; seed < 50; seed++) {
            Problem one = skill.problem(new SplittableRandom(seed), Split.TRAIN);
            Problem same = skill.problem(new SplittableRandom(seed), Split.TRAIN);
            assertThat(same.key()).isEqualTo(one.key());
            assertThat(same.demonstration()).isEqualTo(one.demonstration());
        }
    }

    @ParameterizedTest
    @MethodSource("skills")
    void splitsShareNoQuestion(Skill skill) {
        Set<String> learned = new HashSet<>();
        problems(skill, Split.TRAIN, 3).forEach(problem -> learned.add(problem.key()));
        problems(skill, Split.HELD_OUT, 3)
                .forEach(problem -> assertThat(learned).doesNotContain(problem.key()));
    }

    @ParameterizedTest
    @MethodSource("skills")
    void toolsReturnWhatIsDemonstrated(Skill skill) throws IOException {
        for (Problem problem : problems(skill, Split.TRAIN, 4)) {
            Path folder = Files.createTempDirectory(temporary, "desk");
            Toolbox tools = problem.desk().apply(folder);
            assertThat(tools.tools()).isEqualTo(problem.demonstration().tools());
            List<String> results = new ArrayList<>();
            for (Message message : problem.demonstration().messages()) {
                message.toolCalls().forEach(call -> results.add(tools.call(call)));
                if (message.role() == Role.TOOL) {
                    assertThat(results.removeFirst()).isEqualTo(message.text());
                }
            }
            assertThat(results).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("skills")
    void everythingIsShortAndAscii(Skill skill) {
        for (Problem problem : problems(skill, Split.TRAIN, 5)) {
            assertThat(problem.demonstration().toJson()).matches("\\p{ASCII}*");
            for (Message message : problem.demonstration().messages()) {
                String reasoning = message.reasoning();
                assertThat(message.role() == Role.ASSISTANT).isEqualTo(reasoning != null);
                assertThat(reasoning == null ? "" : reasoning).hasSizeLessThan(120);
                assertThat(message.text()).isEqualTo(message.text().strip());
            }
        }
    }

    @Test
    void sumsAreAddedUpByColumns() {
        assertThat(Sums.addition(48, 7)).isEqualTo("b4a8\nb0a7\na8+7+0=15\nb4+0+1=05\nb5a5");
        assertThat(Sums.addition(95, 5)).isEqualTo("b9a5\nb0a5\na5+5+0=10\nb9+0+1=10\nc1b0a0");
        assertThat(Sums.subtraction(43, 48)).isEqualTo("b4a3\nb4a8\nb4=4a3<8\na8-3-0=05\nb4-4-0=00\n-b0a5");
        assertThat(Sums.subtraction(100, 1)).isEqualTo("c1b0a0\nc0b0a1\nc1>0\na0-1-0=19\nb0-0-1=19\nc1-0-1=00\nc0b9a9");
    }
}
