package dev.jwen.hub;

import java.io.IOException;
import java.net.ConnectException;
import java.time.Duration;

/**
 * How often and how long a server is waited for.
 *
 * @param attempts tries in a row that bring no byte before it is given up
 * @param pause before the second try; twice as long before each one after it
 * @param longest the longest pause, and the longest that a server may ask for
 * @param stall without a byte for so long, a connection counts as cut
 */
record Patience(int attempts, Duration pause, Duration longest, Duration stall) {
    static final Patience DEFAULT =
            new Patience(7, Duration.ofSeconds(1), Duration.ofMinutes(5), Duration.ofSeconds(45));

    /** An answer that says: later. */
    static final class LaterException extends IOException {
        private static final long serialVersionUID = 1L;

        /** Asked for by the server; negative if it did not say. */
        private final long millis;

        LaterException(String message, long millis) {
            super(message);
            this.millis = millis;
        }
    }

    Tries tries() {
        return new Tries();
    }

    /** Tries of one request. */
    final class Tries {
        private int failures;

        /** Something came: the count starts anew. */
        void succeeded() {
            failures = 0;
        }

        /**
         * Waits before the next try.
         *
         * @param connects whether to go on when there is no connection at all
         * @throws IOException the failure itself when there have been enough
         */
        void pause(IOException failure, boolean connects) throws IOException, InterruptedException {
            failures++;
            long asked = failure instanceof LaterException later ? later.millis : -1;
            if (failures >= attempts
                    || (failure instanceof ConnectException && !connects)
                    || asked > longest.toMillis()) {
                throw failure;
            }
            long doubled = pause.toMillis() << Math.min(failures - 1, 20);
            Thread.sleep(asked >= 0 ? Math.max(asked, pause.toMillis()) : Math.min(doubled, longest.toMillis()));
        }
    }
}
