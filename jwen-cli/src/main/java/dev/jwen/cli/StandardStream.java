package dev.jwen.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/** A standard stream that remembers why it could not be written, which {@link java.io.PrintWriter} forgets. */
final class StandardStream extends OutputStream {
    private final FileOutputStream target;
    private @Nullable IOException failure;

    StandardStream(FileDescriptor descriptor) {
        target = new FileOutputStream(descriptor);
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        try {
            target.write(bytes, offset, length);
        } catch (IOException e) {
            failure = e;
            throw e;
        }
    }

    /** What went wrong, or null; that the reader has left, as in {@code jwen … | head}, is nothing wrong. */
    @Nullable
    String failure() {
        String message = failure == null ? null : String.valueOf(failure.getMessage());
        return message == null || message.contains("Broken pipe") ? null : message;
    }
}
