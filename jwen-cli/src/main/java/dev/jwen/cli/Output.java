package dev.jwen.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** What commands print and write for scripts. */
final class Output {
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private Output() {}

    /** One JSON value, indented, with a line end. */
    static void json(PrintWriter out, Object value) {
        out.println(JSON.writeValueAsString(value));
        out.flush();
    }

    /**
     * Finds out that a file cannot be written before the work for it is done.
     *
     * @throws CommandException that names {@code option}
     */
    static void checkWritable(String option, Path file) {
        try {
            boolean isNew = Files.notExists(file);
            Files.writeString(file, "", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            if (isNew) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw cannotWrite(option, file, e);
        }
    }

    static CommandException cannotWrite(String option, Path file, IOException e) {
        return new CommandException(
                "%s: %s cannot be written. Name a file in a directory that exists and may be written to."
                        .formatted(option, file),
                e);
    }
}
