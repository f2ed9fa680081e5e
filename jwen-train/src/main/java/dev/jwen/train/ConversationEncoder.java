package dev.jwen.train;

import dev.jwen.chat.ChatTemplate;
import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Prompt;
import dev.jwen.chat.PromptPiece;
import dev.jwen.chat.RenderOptions;
import dev.jwen.chat.Role;
import dev.jwen.engine.MediaSource;
import dev.jwen.engine.PromptEncoder;
import dev.jwen.engine.Seen;
import dev.jwen.engine.VisionOptions;
import dev.jwen.media.ImageProcessor;
import dev.jwen.media.Patches;
import dev.jwen.model.EncodedPicture;
import dev.jwen.model.Grid;
import dev.jwen.model.ModelInput;
import dev.jwen.tensor.Tensor;
import dev.jwen.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Turns conversations into documents to learn from: what the model reads is rendered as it would be at that turn, what it
 * is to write is the target.
 *
 * <p>Targets are the assistant's messages after the last user message, each from where its prompt ends up to and with the
 * token that ends it. Where a prompt ends is not searched for: it is what the template renders for the conversation so
 * far. Prompt and answer are encoded apart, as when the answer is generated. (Only where an
 * answer that might have thought calls a tool without does a chat then read as one token the two line breaks that were
 * written, and are learned, as two.)
 *
 * <p>Immutable; many threads may encode at once.
 */
public final class ConversationEncoder {
    private final ChatTemplate template;
    private final Tokenizer tokenizer;
    private final @Nullable ImageProcessor images;
    private final PromptEncoder prompts;

    /** @param images how pictures are cut into patches, or null for a model without sight */
    public ConversationEncoder(ChatTemplate template, Tokenizer tokenizer, @Nullable ImageProcessor images) {
        this.template = template;
        this.tokenizer = tokenizer;
        this.images = images;
        this.prompts = new PromptEncoder(tokenizer, VisionOptions.VideoWrapper.KEPT);
    }

    /** The tokens that stand for pictures and videos. */
    public ModelInput.Placeholders placeholders() {
        return new ModelInput.Placeholders(
                tokenizer.id("<|image_pad|>").orElse(-1),
                tokenizer.id("<|video_pad|>").orElse(-1));
    }

    /**
     * Encodes a conversation whose last message is the assistant's.
     *
     * @param thinking whether it is asked to think, or null for what the template does by itself
     * @throws IllegalArgumentException if it has no user message with an answer, or if the template shows an earlier
     *     part of it otherwise than at that turn
     */
    public Document encode(Conversation conversation, @Nullable Boolean thinking) {
        lastQuestion(conversation.messages()); // the normal form would make one up
        return encodeNormal(conversation.normalised(), thinking); // what a chat would render
    }

    private Document encodeNormal(Conversation conversation, @Nullable Boolean thinking) {
        List<Message> messages = conversation.messages();
        int question = lastQuestion(messages);
        RenderOptions asks = thinking == null ? RenderOptions.ANSWER : RenderOptions.ANSWER.withThinking(thinking);
        RenderOptions told = new RenderOptions(false, thinking, false, asks.variables());
        Prompt whole = template.render(conversation, told);
        String text = whole.text();
        List<Integer> cuts = new ArrayList<>(); // where prompt and answer alternate
        for (int i = question + 1; i < messages.size(); i++) {
            if (messages.get(i).role() == Role.ASSISTANT) {
                cuts.add(prefix(
                        text, template.render(first(conversation, i), asks).text(), i));
                String upTo = i + 1 == messages.size()
                        ? text
                        : template.render(first(conversation, i + 1), told).text();
                cuts.add(prefix(text, upTo.stripTrailing(), i + 1)); // the line break after the end is nobody's
            }
        }
        List<Picture> pictures = new ArrayList<>();
        List<Seen> seen = new ArrayList<>();
        for (ContentPart part : whole.media()) {
            Picture picture = picture(part);
            pictures.add(picture);
            seen.add(new Seen(unseen(picture), List.of()));
        }
        return join(whole.pieces(), cuts, seen, pictures);
    }

    /** Encodes text of which every token is a target, up to and with a token that ends it. */
    public Document encodeText(String text) {
        int[] ids = tokenizer.encodeUntrusted(text);
        int end = tokenizer.id("<|endoftext|>").orElseThrow();
        ids = Arrays.copyOf(ids, ids.length + 1);
        ids[ids.length - 1] = end;
        float[] weights = new float[ids.length];
        Arrays.fill(weights, 1);
        return new Document(ids, weights, List.of());
    }

    private static int lastQuestion(List<Message> messages) {
        for (int i = messages.size() - 2; i >= 0; i--) {
            if (messages.get(i).role() == Role.USER) {
                return i;
            }
        }
        throw new IllegalArgumentException("there is no user message with an answer to learn from");
    }

    private static Conversation first(Conversation conversation, int count) {
        return new Conversation(conversation.messages().subList(0, count), conversation.tools());
    }

    private static int prefix(String text, String prefix, int messages) {
        if (!text.startsWith(prefix)) {
            throw new IllegalArgumentException(
                    "the template renders the first %d messages otherwise when more follow, so what is learned would not be what is asked"
                            .formatted(messages));
        }
        return prefix.length();
    }

    private Picture picture(ContentPart part) {
        if (images == null || !(part instanceof ContentPart.Image image)) {
            throw new IllegalArgumentException("only pictures can be learned from, and only by a model that sees");
        }
        Patches patches = switch (MediaSource.DATA_URLS.find(image.source())) {
            case MediaSource.Bytes bytes -> images.patches(bytes.bytes(), bytes.name());
            case MediaSource.Stored file -> images.patches(file.path());
        };
        return new Picture(new Grid(patches.t(), patches.gridHeight(), patches.gridWidth()), patches.values());
    }

    /** The place of a picture in the text is known before it is seen. */
    private static EncodedPicture unseen(Picture picture) {
        return new EncodedPicture("", picture.grid(), Tensor.f32(picture.grid().tokens(), 1));
    }

    private Document join(List<PromptPiece> pieces, List<Integer> cuts, List<Seen> seen, List<Picture> pictures) {
        int[] ids = new int[64];
        float[] weights = new float[64];
        int size = 0;
        int from = 0;
        for (int i = 0; i < cuts.size(); i++) {
            // Pictures stand in the question, before the first answer.
            int[] part = prompts.encode(between(pieces, from, cuts.get(i)), i == 0 ? seen : List.of())
                    .ids();
            if (ids.length < size + part.length) {
                ids = Arrays.copyOf(ids, 2 * (size + part.length));
                weights = Arrays.copyOf(weights, ids.length);
            }
            System.arraycopy(part, 0, ids, size, part.length);
            Arrays.fill(weights, size, size + part.length, i % 2);
            size += part.length;
            from = cuts.get(i);
        }
        return new Document(Arrays.copyOf(ids, size), Arrays.copyOf(weights, size), pictures);
    }

    /** The characters {@code from} to {@code to - 1} of the pieces. */
    private static List<PromptPiece> between(List<PromptPiece> pieces, int from, int to) {
        List<PromptPiece> some = new ArrayList<>();
        int at = 0;
        for (PromptPiece piece : pieces) {
            int start = Math.max(from - at, 0);
            int end = Math.min(to - at, piece.text().length());
            if (start < end) {
                some.add(new PromptPiece(piece.text().substring(start, end), piece.trusted()));
            }
            at += piece.text().length();
        }
        return some;
    }
}
