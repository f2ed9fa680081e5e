package dev.jwen.chat;

import dev.jwen.template.Limits;
import dev.jwen.template.Template;
import dev.jwen.template.TemplateException;
import java.time.Clock;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint's chat template: turns conversations into prompts.
 *
 * <p>Conversations are rendered as they are; {@link Conversation#normalised} first makes those acceptable that a Qwen
 * template would refuse. What the prompt says of trust: spellings of added tokens typed by a user, returned by a tool,
 * or standing in system messages and tool definitions never are tokens; what the assistant wrote may hold those that are
 * not special, such as {@code <think>}, because it writes them as tokens.
 *
 * {@snippet :
 *   ChatTemplate template = ChatTemplate.of(jinja, addedTokens, Map.of("eos_token", "<|im_end|>"));
 *   Prompt prompt = template.render(chat.normalised(), RenderOptions.ANSWER);
 * }
 *
 * <p>Immutable; may be used by many threads at once.
 */
public final class ChatTemplate {
    private static final String THINK = "<think>";
    private static final String END_THINK = "</think>";
    private static final String IMAGE_PAD = "<|image_pad|>";
    private static final String VIDEO_PAD = "<|video_pad|>";

    private final Template template;
    private final Spellings spellings;
    private final Map<String, String> namedTokens;
    private final Clock clock;
    private final boolean supportsThinking;
    private final boolean thinksByDefault;
    private final boolean supportsMedia;

    private ChatTemplate(Template template, Spellings spellings, Map<String, String> namedTokens, Clock clock) {
        this.template = template;
        this.spellings = spellings;
        this.namedTokens = Map.copyOf(namedTokens);
        this.clock = clock;
        Conversation hello = new Conversation(List.of(Message.user("Hi")), List.of());
        String silent = ending(probe(hello, RenderOptions.ANSWER));
        String on = ending(probe(hello, RenderOptions.ANSWER.withThinking(true)));
        String off = ending(probe(hello, RenderOptions.ANSWER.withThinking(false)));
        this.thinksByDefault = isThinking(silent);
        this.supportsThinking = (silent + on + off).contains(THINK);
        List<ContentPart> picture = List.of(new ContentPart.Image(""));
        Conversation show = new Conversation(List.of(Message.user(picture)), List.of());
        this.supportsMedia = count(IMAGE_PAD, probe(show, RenderOptions.ANSWER)) == 1;
    }

    /**
     * Reads a template.
     *
     * @param source Jinja, as in {@code chat_template.jinja} or {@code tokenizer.chat_template}
     * @param addedTokens the tokenizer's added tokens
     * @param namedTokens variables such as {@code bos_token} and {@code eos_token}
     * @throws TemplateException if it is not a valid template
     */
    public static ChatTemplate of(String source, List<AddedToken> addedTokens, Map<String, String> namedTokens) {
        return new ChatTemplate(
                Template.parse(source), new Spellings(addedTokens), namedTokens, Clock.system(ZoneId.systemDefault()));
    }

    /** Whether the template knows of reasoning before the answer. */
    public boolean supportsThinking() {
        return supportsThinking;
    }

    /** Whether answers begin with reasoning when {@link RenderOptions#enableThinking} is null. */
    public boolean thinksByDefault() {
        return thinksByDefault;
    }

    /** Whether pictures and videos can be shown to the model. */
    public boolean supportsMedia() {
        return supportsMedia;
    }

    /**
     * Renders a conversation.
     *
     * @throws ChatException if the template refuses it, or cannot show its pictures or videos
     * @throws TemplateException if the template itself fails
     */
    public Prompt render(Conversation conversation, RenderOptions options) {
        List<ContentPart> media = conversation.messages().stream()
                .flatMap(message -> message.content().stream())
                .filter(part -> !(part instanceof ContentPart.Text))
                .toList();
        if (!media.isEmpty() && !supportsMedia) {
            throw new ChatException(
                    "The conversation has %d pictures or videos, but this model's chat template takes text"
                                    .formatted(media.size())
                            + " only. Remove them or use a model that sees.");
        }
        List<PromptPiece> pieces = pieces(conversation, options);
        requireAllShown(media, pieces);
        return new Prompt(pieces, media, isThinking(ending(pieces)));
    }

    private List<PromptPiece> pieces(Conversation conversation, RenderOptions options) {
        Clock now = Clock.fixed(clock.instant(), clock.getZone()); // all renders of one prompt agree
        return Provenance.pieces(spellings, marks -> text(variables(conversation, options, marks), now));
    }

    private String text(Map<String, @Nullable Object> variables, Clock now) {
        try {
            return template.render(variables, Limits.DEFAULT, now);
        } catch (TemplateException e) {
            if (e.kind() == TemplateException.Kind.REJECTED) {
                throw new ChatException("The chat template refuses the conversation: " + e.problem(), e);
            }
            throw e;
        }
    }

    /** What the template makes of a conversation it may not be able to render: nothing, then. */
    private List<PromptPiece> probe(Conversation conversation, RenderOptions options) {
        try {
            return pieces(conversation, options);
        } catch (TemplateException | ChatException e) {
            return List.of();
        }
    }

    private Map<String, @Nullable Object> variables(Conversation conversation, RenderOptions options, Marks marks) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("add_generation_prompt", options.addGenerationPrompt());
        variables.put("add_vision_id", options.addVisionId());
        if (options.enableThinking() != null) {
            variables.put("enable_thinking", options.enableThinking());
        }
        options.variables().forEach((name, value) -> variables.put(name, marked(value, marks, false)));
        variables.putAll(namedTokens);
        List<Map<String, Object>> messages = new ArrayList<>();
        conversation.messages().forEach(message -> messages.add(message(message, marks)));
        variables.put("messages", messages);
        List<@Nullable Object> tools = new ArrayList<>();
        conversation.tools().forEach(tool -> tools.add(marked(tool.definition(), marks, false)));
        variables.put("tools", tools.isEmpty() ? null : tools); // as Hugging Face does: null, not undefined
        return variables;
    }

    private static Map<String, Object> message(Message message, Marks marks) {
        boolean byModel = message.role() == Role.ASSISTANT;
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("role", message.role().wireName());
        map.put(
                "content",
                message.hasMedia()
                        ? message.content().stream()
                                .map(part -> part(part, marks, byModel))
                                .toList()
                        : marks.mark(message.text(), byModel));
        if (message.reasoning() != null) {
            map.put("reasoning_content", marks.mark(message.reasoning(), byModel));
        }
        if (!message.toolCalls().isEmpty()) {
            map.put(
                    "tool_calls",
                    message.toolCalls().stream().map(call -> call(call, marks)).toList());
        }
        if (message.toolCallId() != null) {
            map.put("tool_call_id", marks.mark(message.toolCallId(), false));
        }
        if (message.name() != null) {
            map.put("name", marks.mark(message.name(), false));
        }
        return map;
    }

    private static Map<String, Object> part(ContentPart part, Marks marks, boolean byModel) {
        return switch (part) {
            case ContentPart.Text t -> Map.of("type", "text", "text", marks.mark(t.text(), byModel));
            case ContentPart.Image ignored -> Map.of("type", "image");
            case ContentPart.Video ignored -> Map.of("type", "video");
        };
    }

    private static Map<String, Object> call(ToolCall call, Marks marks) {
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", marks.mark(call.name(), true));
        function.put("arguments", Objects.requireNonNull(marked(call.arguments(), marks, true)));
        return Map.of("id", marks.mark(call.id(), false), "type", "function", "function", function);
    }

    /** The value with every string in it marked, names of members too. */
    private static @Nullable Object marked(@Nullable Object value, Marks marks, boolean byModel) {
        return switch (value) {
            case String text -> marks.mark(text, byModel);
            case Map<?, ?> map -> {
                Map<String, @Nullable Object> marked = new LinkedHashMap<>();
                map.forEach((key, member) ->
                        marked.put(marks.mark(String.valueOf(key), byModel), marked(member, marks, byModel)));
                yield marked;
            }
            case List<?> list -> {
                List<@Nullable Object> marked = new ArrayList<>();
                list.forEach(element -> marked.add(marked(element, marks, byModel)));
                yield marked;
            }
            case null -> null;
            default -> value;
        };
    }

    /** The template's own words since the last control token: the opening of the answer. */
    private String ending(List<PromptPiece> pieces) {
        StringBuilder ending = new StringBuilder();
        for (PromptPiece piece : pieces) {
            if (!piece.trusted()) {
                continue;
            }
            ending.append(piece.text());
            Spellings.Match match = spellings.next(piece.text(), 0);
            for (; match != null; match = spellings.next(piece.text(), match.end())) {
                if (match.token().special()) {
                    ending.setLength(0);
                    ending.append(piece.text(), match.end(), piece.text().length());
                }
            }
        }
        return ending.toString();
    }

    private static boolean isThinking(String ending) {
        return ending.lastIndexOf(THINK) > ending.lastIndexOf(END_THINK);
    }

    private static void requireAllShown(List<ContentPart> media, List<PromptPiece> pieces) {
        long images = media.stream().filter(ContentPart.Image.class::isInstance).count();
        long videos = media.size() - images;
        if (count(IMAGE_PAD, pieces) != images || count(VIDEO_PAD, pieces) != videos) {
            throw new ChatException(
                    "The chat template shows %d of %d pictures and %d of %d videos of the conversation; all are needed"
                            .formatted(count(IMAGE_PAD, pieces), images, count(VIDEO_PAD, pieces), videos));
        }
    }

    private static long count(String spelling, List<PromptPiece> pieces) {
        long count = 0;
        for (PromptPiece piece : pieces) {
            for (int i = piece.text().indexOf(spelling); piece.trusted() && i >= 0; ) {
                count++;
                i = piece.text().indexOf(spelling, i + spelling.length());
            }
        }
        return count;
    }
}
