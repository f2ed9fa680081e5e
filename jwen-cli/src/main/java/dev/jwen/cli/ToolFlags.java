package dev.jwen.cli;

import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What the model may use. */
final class ToolFlags {
    @Option(
            names = "--tools",
            paramLabel = "TOOL",
            split = ",",
            description =
                    "What the model may use: calculator; files=DIR (it reads and edits files in this folder, and runs commands there if you agree to each); none. By default the calculator with jwen-nano, none with other models.")
    @Nullable
    List<String> tools;

    /**
     * The tools that were chosen, or those a model has by itself.
     *
     * @param nano whether the model is jwen-nano, which has learned to use the calculator
     * @param allowed whether a command may be run
     * @throws CommandException if there is no such tool
     */
    Tools open(boolean nano, Predicate<String> allowed) {
        Tools open = new Tools(allowed);
        for (String tool : tools != null ? tools : List.of(nano ? Tools.CALCULATOR : Tools.NONE)) {
            open.turnOn(tool);
        }
        return open;
    }
}
