package dev.jwen.engine;

import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import java.util.List;

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

    /** What the model is told it may call. */
    List<Tool> tools();

    /** Runs a call and returns what the model reads; what went wrong is said in that text, never thrown. */
    String call(ToolCall call);
}
