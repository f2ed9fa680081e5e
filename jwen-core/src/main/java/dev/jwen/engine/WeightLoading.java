package dev.jwen.engine;

import dev.jwen.checkpoint.Checkpoint;

/** Brings the weights of a checkpoint into memory in the background, ahead of the first token. */
final class WeightLoading implements AutoCloseable {
    private final Thread thread;
    private volatile boolean stopped;

    WeightLoading(Checkpoint checkpoint) {
        thread = Thread.ofPlatform()
                .daemon()
                .name("jwen-weights")
                // A file that cannot be read fails the forward pass too, and that one can tell the user.
                .uncaughtExceptionHandler((failed, ignored) -> {})
                .start(() -> checkpoint.load(() -> stopped));
    }

    /** Stops loading; the checkpoint may be closed afterwards. */
    @Override
    public void close() {
        stopped = true;
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
