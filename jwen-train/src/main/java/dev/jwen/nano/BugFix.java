package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Toolbox;
import dev.jwen.tools.FolderTools;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A script in a folder fails its test: run the test, read the script, edit the wrong line, run the test again.
 *
 * <p>Judged by the folder, not by words: the calls are made again in a new folder, and then the test that came with it must
 * pass there. Only the test may be run.
 */
final class BugFix implements Skill {
    private static final String TEST = "test.sh";
    private static final String COMMAND = "sh " + TEST;
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private static final List<String> WORDINGS = List.of(
            "The tests fail. Please fix it.",
            "The tests fail, please fix %s.",
            "%s is wrong. Please fix it.",
            "There is a bug in %s. Fix it.",
            "test.sh fails. Can you fix %s?",
            "Fix the bug in %s.",
            "Please make the tests pass.",
            "Make test.sh pass.",
            "My script %s fails its test. Please help.",
            "Can you fix %s?",
            "Find the bug and fix it.",
            "Something is wrong with %s, please repair it.",
            "The test of %s fails. Fix the script.",
            "Run the tests and fix what is wrong.");

    @Override
    public String name() {
        return "bug-fix";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            Script script = Script.draw(draw);
            String key = "bug-fix " + script.text() + script.repaired();
            if (Split.of(key) == split) {
                return new Problem(
                        key,
                        demonstration(script, draw.ask(WORDINGS, script.file())),
                        folder -> desk(script, folder),
                        conversation -> isSolved(script, conversation));
            }
        }
    }

    private static Conversation demonstration(Script script, String question) {
        ToolCall run = new ToolCall("1", "run", Map.of("command", COMMAND));
        ToolCall read = new ToolCall("2", "read_file", Map.of("path", script.file()));
        ToolCall edit = new ToolCall("3", "edit_file", edit(script));
        ToolCall again = new ToolCall("4", "run", Map.of("command", COMMAND));
        return new Conversation(
                List.of(
                        Message.user(question),
                        Message.assistant("", "First run the tests.", List.of(run)),
                        Message.tool("1", script.failure() + "\nExit code 1"),
                        Message.assistant("", "Now read " + script.file() + ".", List.of(read)),
                        Message.tool("2", script.text().strip()),
                        Message.assistant("", script.diagnosis(), List.of(edit)),
                        Message.tool("3", "Done."),
                        Message.assistant("", "Run the tests again.", List.of(again)),
                        Message.tool("4", "All tests passed."),
                        Message.assistant(
                                "I fixed " + script.file() + ": " + script.why() + ".", "It is fixed.", List.of())),
                FolderTools.TOOLS);
    }

    private static Map<String, Object> edit(Script script) {
        Map<String, Object> edit = new LinkedHashMap<>();
        edit.put("path", script.file());
        edit.put("old", script.old());
        edit.put("new", script.repaired());
        return edit;
    }

    private static Toolbox desk(Script script, Path folder) {
        try {
            Files.writeString(folder.resolve(script.file()), script.text());
            Files.writeString(folder.resolve(TEST), script.test());
        } catch (IOException e) {
            throw new UncheckedIOException("Cannot write to " + folder, e);
        }
        return new FolderTools(folder, LIMIT, COMMAND::equals);
    }

    private static boolean isSolved(Script script, Conversation conversation) {
        List<ToolCall> calls = Verdict.calls(conversation);
        if (Verdict.answer(conversation).isEmpty() || calls.isEmpty()) {
            return false;
        }
        try {
            Path folder = Files.createTempDirectory("jwen-bug-fix");
            try {
                Toolbox tools = desk(script, folder);
                calls.stream().filter(call -> !call.name().equals("run")).forEach(tools::call);
                return Files.readString(folder.resolve(TEST)).equals(script.test())
                        && tools.call(new ToolCall("", "run", Map.of("command", COMMAND)))
                                .equals("All tests passed.");
            } finally {
                Files.delete(folder.resolve(script.file()));
                Files.delete(folder.resolve(TEST));
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("Cannot judge in a temporary folder", e);
        }
    }
}
