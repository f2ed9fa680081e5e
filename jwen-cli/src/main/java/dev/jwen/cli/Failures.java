package dev.jwen.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what went wrong into one sentence and an exit code: 1 for a failure, 2 for a misused command line. */
final class Failures implements IExecutionExceptionHandler {
    private static final String TRACE = "JWEN_TRACE";

    @Override
    public int handleExecutionException(Exception failure, CommandLine line, ParseResult parsed) {
        PrintWriter err = line.getErr();
        err.println("jwen: " + sentence(failure));
        if (System.getenv(TRACE) != null) {
            failure.printStackTrace(err);
        }
        err.flush();
        return 1;
    }

    static int misused(ParameterException mistake, String[] args) {
        CommandLine line = mistake.getCommandLine();
        PrintWriter err = line.getErr();
        err.println("jwen: " + complaint(mistake));
        if (!UnmatchedArgumentException.printSuggestions(mistake, err)) {
            err.println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
        }
        err.flush();
        return 2;
    }

    /** What the parser says, but of a first word that is no command in words of its own. */
    private static String complaint(ParameterException mistake) {
        if (mistake.getCommandLine().getParent() == null && mistake instanceof UnmatchedArgumentException unmatched) {
            String word = unmatched.getUnmatched().getFirst();
            if (!word.startsWith("-")) {
                String commands = mistake.getCommandLine().getSubcommands().entrySet().stream()
                        .filter(command -> !command.getValue()
                                .getCommandSpec()
                                .usageMessage()
                                .hidden())
                        .map(Map.Entry::getKey)
                        .collect(Collectors.joining(", "));
                return "there is no command \"%s\"; there are %s".formatted(word, commands);
            }
        }
        return Objects.requireNonNull(mistake.getMessage());
    }

    /** The message of a failure whose cause is known, or a request to report it. */
    static String sentence(Exception failure) {
        String message = failure.getMessage() == null ? "" : failure.getMessage();
        if (failure instanceof UncheckedIOException io && io.getCause() != null) {
            return sentence(io.getCause());
        }
        return switch (failure) {
            case NoSuchFileException missing -> "no such file or directory: " + missing.getFile();
            case AccessDeniedException denied -> "permission denied: " + denied.getFile();
            case FileAlreadyExistsException exists -> "there is already a file " + exists.getFile();
            case FileSystemException file -> file.getFile() + ": " + file.getReason();
            case IOException io -> message.isEmpty() ? io.toString() : message;
            default ->
                isExpected(failure)
                        ? message
                        : "internal error: %s. Please report it; with %s=1 in the environment the trace is shown."
                                .formatted(failure, TRACE);
        };
    }

    /** Exceptions whose messages were written for people. */
    private static boolean isExpected(Exception failure) {
        return failure instanceof CommandException
                || failure.getClass().getName().startsWith("dev.jwen.")
                || ((failure instanceof IllegalArgumentException
                                || failure instanceof UnsupportedOperationException
                                || failure instanceof ArithmeticException)
                        && failure.getMessage() != null
                        && failure.getStackTrace().length > 0
                        && failure.getStackTrace()[0].getClassName().startsWith("dev.jwen."));
    }
}
