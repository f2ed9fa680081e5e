package dev.jwen.cli;

import dev.jwen.kernel.WorkerPool;
import dev.jwen.nano.Pretraining;
import dev.jwen.nano.Recipe;
import dev.jwen.train.Trainer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import org.jline.utils.AttributedString;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Makes a model from nothing. */
@Command(
        name = "pretrain",
        description = "Trains a model from nothing by a recipe.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The recipe nano makes a model like jwen-nano, which ships with Jwen: leave it two hours on two cores. With --smoke it teaches one skill in minutes. Ctrl-C saves; the same command goes on where it stopped, and comes to the same weights.",
            "",
            "DIR/model is the model as last saved, DIR/report.html shows how it went.",
            "",
            "Examples:",
            "  jwen pretrain --recipe nano",
            "  jwen pretrain --recipe nano --smoke -o smoke"
        })
final class PretrainCommand implements Runnable {
    private static final long LINE_NANOS = 30_000_000_000L;
    private static final long LIVE_NANOS = 200_000_000L;

    @Spec
    @Nullable
    CommandSpec spec;

    @Option(names = "--recipe", paramLabel = "NAME", required = true, description = "What to train; there is nano.")
    String recipe = "";

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            defaultValue = "nano",
            description =
                    "Where the model, its report and what is needed to go on are kept. Default: ${DEFAULT-VALUE}.")
    Path output = Path.of("nano");

    @Option(names = "--smoke", description = "One skill only, in minutes: whether training works here.")
    boolean smoke;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Threads that compute; by default one for each core. What comes out does not depend on it.")
    int threads;

    @Option(
            names = "--save-every",
            paramLabel = "SECONDS",
            defaultValue = "300",
            description = "Time between two saves; by default ${DEFAULT-VALUE}.")
    long saveSeconds;

    @Option(
            names = "--evaluate-every",
            paramLabel = "SECONDS",
            defaultValue = "900",
            description = "Time between two evaluations; by default ${DEFAULT-VALUE}.")
    long evaluateSeconds;

    @Option(
            names = "--problems",
            paramLabel = "N",
            defaultValue = "25",
            description = "Held-out problems of each skill in an evaluation on the way; by default ${DEFAULT-VALUE}.")
    int problems;

    @Option(
            names = "--last-problems",
            paramLabel = "N",
            defaultValue = "500",
            description = "Held-out problems of each skill when it is done; by default ${DEFAULT-VALUE}.")
    int lastProblems;

    @Override
    public void run() {
        if (!recipe.equals("nano")) {
            throw new CommandException("there is no recipe named %s; there is nano".formatted(recipe));
        }
        if (saveSeconds < 1 || evaluateSeconds < 1 || problems < 1 || lastProblems < 1 || threads < 0) {
            throw new CommandException(
                    "--save-every, --evaluate-every, --problems and --last-problems must be 1 or more, --threads 0 or more");
        }
        String command = "jwen pretrain --recipe nano" + (smoke ? " --smoke" : "") + " -o " + output;
        Pretraining.Options options = new Pretraining.Options(
                threads == 0 ? WorkerPool.defaultThreads() : threads,
                command,
                saveSeconds,
                evaluateSeconds,
                problems,
                lastProblems);
        Live live = new Live(
                Streams.output(), Objects.requireNonNull(spec).commandLine().getOut());
        CountDownLatch saved = new CountDownLatch(1);
        // Ctrl-C and kill: the step is finished and saved before the JVM goes.
        Thread saving = new Thread(() -> {
            live.stop();
            awaitUninterruptibly(saved);
        });
        Runtime.getRuntime().addShutdownHook(saving);
        try {
            Pretraining pretraining = new Pretraining(
                    smoke ? Recipe.smoke() : Recipe.nano(), Pretraining.prepared(output), options, live);
            boolean done = pretraining.run(live);
            live.note(
                    done
                            ? "The model is in %s. Talk to it: jwen chat -m %s"
                                    .formatted(pretraining.model(), pretraining.model())
                            : "Saved. Go on with: " + command);
        } finally {
            saved.countDown();
            try {
                Runtime.getRuntime().removeShutdownHook(saving);
            } catch (IllegalStateException e) {
                live.stop(); // the JVM is going already
            }
        }
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** One line that is rewritten at a terminal; now and then a line of its own elsewhere. */
    private static final class Live implements Pretraining.Listener {
        private final Screen screen;
        private final PrintWriter out;
        private volatile boolean stopped;
        private long shown;
        private boolean isOpen;

        Live(Screen screen, PrintWriter out) {
            this.screen = screen;
            this.out = out;
        }

        void stop() {
            stopped = true;
        }

        @Override
        public boolean isStopped() {
            return stopped;
        }

        @Override
        public void begins(long parameters, long bytes) {
            note("%,d parameters; training takes at most %s beside the heap of Java"
                    .formatted(parameters, Units.bytes(bytes)));
        }

        @Override
        public void step(Trainer.Result result, long steps, double tokensPerSecond, double secondsLeft) {
            long now = System.nanoTime();
            boolean isDue = shown == 0 || now - shown > (screen.movesCursor() ? LIVE_NANOS : LINE_NANOS);
            if (!isDue) {
                return;
            }
            shown = now;
            String line = String.format(
                    Locale.ROOT,
                    "step %,d of %,d (%.1f %%)  loss %.4f  %,.0f tokens/s  %s left",
                    result.step(),
                    steps,
                    100.0 * result.step() / steps,
                    result.loss(),
                    tokensPerSecond,
                    time(secondsLeft));
            if (screen.movesCursor()) {
                out.write("\r\033[K" + Columns.cut(new AttributedString(line), screen.width() - 1));
                isOpen = true;
            } else {
                out.println(line);
            }
            out.flush();
        }

        private static String time(double seconds) {
            long minutes = Math.round(seconds / 60);
            return minutes >= 60 ? "%d h %02d min".formatted(minutes / 60, minutes % 60) : minutes + " min";
        }

        @Override
        public void note(String message) {
            if (isOpen) {
                out.write("\r\033[K");
                isOpen = false;
            }
            out.println(message);
            out.flush();
        }
    }
}
