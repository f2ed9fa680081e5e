package dev.jwen.chat;

import java.util.ArrayList;
import java.util.List;

/** Collects events and joins neighbouring texts of one kind, in time linear in the text. */
final class EventList {
    private enum Kind {
        THINKING,
        TEXT,
        ARGUMENTS
    }

    private List<Event> events = new ArrayList<>();
    private final StringBuilder text = new StringBuilder();
    private Kind kind = Kind.TEXT;
    private int index;

    void thinking(String more) {
        add(Kind.THINKING, 0, more);
    }

    void text(String more) {
        add(Kind.TEXT, 0, more);
    }

    void arguments(int call, String json) {
        add(Kind.ARGUMENTS, call, json);
    }

    void add(Event event) {
        flush();
        events.add(event);
    }

    /** The events since the last time. */
    List<Event> take() {
        flush();
        List<Event> taken = events;
        events = new ArrayList<>();
        return taken;
    }

    private void add(Kind kind, int index, String more) {
        if (more.isEmpty()) {
            return;
        }
        if (this.kind != kind || this.index != index) {
            flush();
        }
        this.kind = kind;
        this.index = index;
        text.append(more);
    }

    private void flush() {
        if (!text.isEmpty()) {
            String all = text.toString();
            text.setLength(0);
            events.add(
                    switch (kind) {
                        case THINKING -> new Event.Thinking(all);
                        case TEXT -> new Event.Text(all);
                        case ARGUMENTS -> new Event.ToolCallArguments(index, all);
                    });
        }
    }
}
