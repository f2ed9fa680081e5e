package dev.jwen.cli;

import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.ChatSession;
import dev.jwen.engine.Completion;
import dev.jwen.engine.Engine;
import dev.jwen.engine.ToolLoop;
import dev.jwen.generate.SamplingOptions;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** One question, one answer. */
@Command(
        name = "run",
        description = "Answers one prompt and ends.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The prompt is the words of the command line, then each -f FILE, then standard input when something is piped in. The answer goes to standard output, thinking, tools and messages to standard error.",
            "",
            "Examples:",
            "  jwen run \"What is 48231 + 9977?\"",
            "  jwen run -m Qwen3.5-4B \"Why is the sky blue?\"",
            "  jwen run -m Qwen3.5-4B --image receipt.jpg \"What did this cost?\"",
            "  jwen run -m Qwen3.5-4B -f Main.java \"Explain this class.\"",
            "  jwen run -m Qwen3.5-4B --tools files=. \"The tests fail. Repair them.\"",
            "  git diff | jwen run -m Qwen3.5-4B --no-think \"Write a commit message for this change.\"",
            "  jwen run -m Qwen3.5-4B --raw -n 40 \"Once upon a time\""
        })
final class RunCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    SamplingFlags sampling = new SamplingFlags();

    @Parameters(paramLabel = "PROMPT", arity = "0..*", description = "What to ask.")
    List<String> words = List.of();

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "Add the text of a file to the prompt; repeat for several.")
    List<Path> files = List.of();

    @Mixin
    MediaFlags media = new MediaFlags();

    @Mixin
    VisionFlags vision = new VisionFlags();

    @Mixin
    AnswerFlags answering = new AnswerFlags();

    @Mixin
    ToolFlags tools = new ToolFlags();

    @Option(names = "--raw", description = "Let the model continue the prompt as plain text, without a chat template.")
    boolean raw;

    @Option(names = "--stats", description = "Say at the end how many tokens were read and written, and how fast.")
    boolean stats;

    @Option(names = "--json", description = "Print the answer as one JSON object.")
    boolean json;

    @Override
    public void run() {
        String prompt = prompt();
        if (raw && !media.isEmpty()) {
            throw new CommandException("--raw continues plain text and shows no pictures; leave it out");
        }
        Tools box = tools.open(Nano.is(model.path()), this::agrees);
        try (Engine engine = model.open(vision)) {
            if (raw) {
                continueText(engine, prompt);
            } else {
                answer(engine, prompt, box);
            }
        }
    }

    private String prompt() {
        List<String> parts = new ArrayList<>();
        if (!words.isEmpty()) {
            parts.add(String.join(" ", words));
        }
        files.forEach(file -> parts.add(Input.file(file)));
        if (!Streams.isInputTerminal()) {
            String piped = Input.standard();
            if (!piped.isBlank()) {
                parts.add(piped);
            }
        }
        String prompt = String.join("\n\n", parts);
        if (prompt.isBlank() && media.isEmpty()) {
            throw new CommandException("there is nothing to answer; say jwen run \"your question\", or pipe text in");
        }
        return prompt;
    }

    private void continueText(Engine engine, String prompt) {
        SamplingOptions options = sampling.over(engine.samplingDefaults(false));
        PrintWriter out = out();
        Completion completion = engine.newSession()
                .generate(engine.tokenizer().encode(prompt), options, new PlainText(json ? null : out));
        if (json) {
            Output.json(out, facts(List.of(completion), completion.text(), "", List.of()));
        } else {
            out.println();
            out.flush();
        }
        report(List.of(completion));
    }

    private boolean agrees(String command) {
        if (Streams.isInputTerminal() && Streams.isErrorTerminal()) {
            return Input.confirms(err(), "Run %s?".formatted(Printable.text(command)));
        }
        err().println("(not run, as there is no terminal to ask at: %s)".formatted(Printable.text(command)));
        err().flush();
        return false;
    }

    private void answer(Engine engine, String prompt, Tools box) {
        List<Message> messages = new ArrayList<>();
        if (answering.system != null) {
            messages.add(Message.system(answering.system));
        }
        List<ContentPart> question = new ArrayList<>(media.parts());
        question.add(new ContentPart.Text(prompt));
        messages.add(Message.user(question));
        Conversation conversation = new Conversation(messages, List.of());
        ChatSession chat = new ChatSession(engine, vision.media());
        SamplingOptions options = sampling.over(engine.samplingDefaults(chat.thinks(answering.think)));
        PrintWriter out = out();
        try (Answer answer = json ? Answer.silent() : Answer.on(Streams.output(), out, err(), answering.hideThinking)) {
            ToolLoop loop = chat.converse(
                    conversation, box, box.maxRounds(), answering.think, options, answer, untilTheReaderLeaves(out));
            answer.end();
            List<Message> said = loop.conversation()
                    .messages()
                    .subList(messages.size(), loop.conversation().messages().size());
            if (json) {
                Output.json(
                        out, facts(loop.completions(), said.getLast().text(), ChatLoop.reasoning(said), calls(said)));
            } else if (loop.ending() == ToolLoop.Ending.TOO_MANY_ROUNDS) {
                err().println(box.refusal());
            }
            report(loop.completions());
        }
    }

    /** Every call, with what it gave if it was run. */
    private static List<Map<String, Object>> calls(List<Message> said) {
        List<Map<String, Object>> calls = new ArrayList<>();
        int results = 0;
        for (Message message : said) {
            for (ToolCall call : message.toolCalls()) {
                Map<String, Object> facts = new LinkedHashMap<>();
                facts.put("id", call.id());
                facts.put("name", call.name());
                facts.put("arguments", call.arguments());
                calls.add(facts);
            }
            if (message.role() == Role.TOOL) {
                calls.get(results++).put("result", message.text()); // results come in the order of the calls
            }
        }
        return calls;
    }

    /** Ends the answer when whoever reads it has gone, as in {@code jwen run … | head}. */
    private PromptProgress untilTheReaderLeaves(PrintWriter out) {
        return new PromptProgress(json ? Screen.pipe() : Streams.messages(), err()) {
            @Override
            boolean isStopped() {
                return out.checkError();
            }
        };
    }

    private static Map<String, Object> facts(
            List<Completion> completions, String content, String reasoning, List<?> calls) {
        Completion completion = Stats.together(completions);
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("content", content);
        facts.put("reasoning", reasoning);
        facts.put("tool_calls", calls);
        facts.put("finish_reason", completion.finishReason().name().toLowerCase(java.util.Locale.ROOT));
        facts.put("prompt_tokens", completion.promptTokens());
        facts.put("completion_tokens", completion.tokens());
        facts.put("prompt_tokens_per_second", completion.promptTokensPerSecond());
        facts.put("tokens_per_second", completion.decodeTokensPerSecond());
        return facts;
    }

    private void report(List<Completion> completions) {
        PrintWriter err = err();
        Completion completion = completions.getLast();
        if (completion.finishReason() == Completion.FinishReason.LENGTH && !json) {
            err.println("(the answer was cut at " + completion.tokens() + " tokens; -n N allows more)");
        }
        if (completion.finishReason() == Completion.FinishReason.CONTEXT_FULL && !json) {
            err.println("(the answer was cut because the context is full; -c N allows more)");
        }
        if (stats) {
            completions.forEach(each -> err.println(Stats.line(each)));
        }
        err.flush();
    }

    private PrintWriter out() {
        return Objects.requireNonNull(spec).commandLine().getOut();
    }

    private PrintWriter err() {
        return Objects.requireNonNull(spec).commandLine().getErr();
    }
}
