package dev.jwen.engine;

import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Tools, and what they do when the model calls them. */
public interface Toolbox {
    /** No tools at all. */
    Toolbox EMPTY = new Toolbox() {
        @Override
        public List<Tool> tools() {
            return List.of();
        }

        @Override
        public String call(ToolCall call) {
            return "Error: there is no tool named " + call.name() + ".";
        }
    };

    /**
     * All of these tools in one box.
     *
     * @throws IllegalArgumentException if two tools have the same name
     */
    static Toolbox of(List<Toolbox> boxes) {
        List<Tool> all = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Toolbox box : boxes) {
            for (Tool tool : box.tools()) {
                if (!names.add(tool.name())) {
                    throw new IllegalArgumentException(
                            "there are two tools named %s; leave one of them out".formatted(tool.name()));
                }
                all.add(tool);
            }
        }
        List<Tool> tools = List.copyOf(all);
        List<Toolbox> parts = List.copyOf(boxes);
        return new Toolbox() {
            @Override
            public List<Tool> tools() {
                return tools;
            }

            @Override
            public String call(ToolCall call) {
                return parts.stream()
                        .filter(box -> box.tools().stream()
                                .anyMatch(tool -> tool.name().equals(call.name())))
                        .findFirst()
                        .orElse(EMPTY)
                        .call(call);
            }
        };
    }

    /** What the model is told it may call. */
    List<Tool> tools();

    /** Runs a call and returns what the model reads; what went wrong is said in that text, never thrown. */
    String call(ToolCall call);
}
