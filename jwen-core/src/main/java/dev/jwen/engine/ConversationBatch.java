package dev.jwen.engine;

import dev.jwen.generate.SamplingOptions;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Leads many conversations of one engine at a time: each step advances all of them in one batch, so weights are read and
 * threads are woken once for all. A conversation goes as it would by itself.
 */
public final class ConversationBatch {

    /**
     * A conversation to lead.
     *
     * @param loop holds it; it has not ended
     * @param thinking whether to think first, or null for what the model does by itself
     * @param options how to choose tokens, as for {@link ChatSession#converse}
     * @param ended hears the loop when it has ended
     */
    public record Task(
            ToolLoop loop,
            @Nullable Boolean thinking,
            @Nullable SamplingOptions options,
            Consumer<ToolLoop> ended) {}

    /** A conversation that is being led, and the answer that is being made. */
    private static final class Seat implements AutoCloseable {
        private final Task task;
        private final ChatSession chat;
        private ChatSession.Turn turn;

        Seat(Engine engine, Task task) {
            this.task = task;
            this.chat = new ChatSession(engine);
            this.turn = begin();
        }

        private ChatSession.Turn begin() {
            return chat.begin(
                    task.loop().conversation(),
                    task.thinking(),
                    ChatSession.ofRound(task.options(), task.loop().rounds()),
                    event -> {},
                    Listener.NONE);
        }

        /** Takes an answer that is finished, and begins the next; whether the conversation has ended. */
        boolean moveOn() {
            if (!turn.isFinished()) {
                return false;
            }
            task.loop().take(turn.reply());
            if (task.loop().ending() != null) {
                return true;
            }
            turn = begin();
            return false;
        }

        @Override
        public void close() {
            turn.close();
            chat.close();
        }
    }

    private ConversationBatch() {}

    /**
     * Leads every conversation to its end. The next is asked for when there is room for it.
     *
     * @param width how many are led at a time at most, 1 or more
     * @throws IllegalArgumentException if the model has no chat template or a prompt does not fit
     */
    public static void lead(Engine engine, int width, Iterator<Task> tasks) {
        List<Seat> seats = new ArrayList<>();
        try {
            while (true) {
                while (seats.size() < width && tasks.hasNext()) {
                    seats.add(new Seat(engine, tasks.next()));
                }
                if (seats.isEmpty()) {
                    return;
                }
                Generation.advance(
                        engine,
                        seats.stream()
                                .map(seat -> seat.turn.generation())
                                .filter(Objects::nonNull)
                                .toList());
                for (Seat seat : List.copyOf(seats)) {
                    if (seat.moveOn()) {
                        seats.remove(seat);
                        seat.close();
                        seat.task.ended().accept(seat.task.loop());
                    }
                }
            }
        } finally {
            seats.forEach(Seat::close);
        }
    }
}
