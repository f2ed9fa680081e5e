package dev.jwen.cli;

import java.io.Console;

/**
 * Which of the standard streams are terminals, and how large the terminal is. The launcher script tests this, because
 * Java can only tell whether all of them are.
 */
final class Streams {
    /** The digits of the streams that are terminals: 0 in, 1 out, 2 messages. */
    private static final String TERMINALS = "jwen.terminals";

    /** Rows and columns, as stty prints them. */
    private static final String SIZE = "jwen.size";

    private Streams() {}

    static boolean isInputTerminal() {
        return isTerminal('0');
    }

    static boolean isOutputTerminal() {
        return isTerminal('1');
    }

    static boolean isErrorTerminal() {
        return isTerminal('2');
    }

    @SuppressWarnings("SystemConsoleNull") // whether it can be null differs between releases of the JDK
    private static boolean isTerminal(char stream) {
        String terminals = System.getProperty(TERMINALS);
        if (terminals != null) {
            return terminals.indexOf(stream) >= 0;
        }
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    /** What standard output can show. */
    static Screen output() {
        return isOutputTerminal() ? terminal() : Screen.pipe();
    }

    /** What the messages can show. */
    static Screen messages() {
        return isErrorTerminal() ? terminal() : Screen.pipe();
    }

    private static Screen terminal() {
        String[] size = System.getProperty(SIZE, "").split(" ", -1);
        boolean known = size.length == 2 && (size[0] + size[1]).chars().allMatch(Character::isDigit);
        return Screen.terminal(
                System.getenv(), known ? Integer.parseInt(size[1]) : 0, known ? Integer.parseInt(size[0]) : 0);
    }
}
