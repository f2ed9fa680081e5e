package dev.jwen.cli;

import dev.jwen.kernel.WorkerPool;
import dev.jwen.nano.Pretraining;
import dev.jwen.nano.Recipe;
import dev.jwen.train.Trainer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
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
            "The recipe nano makes the model that ships with Jwen, in two to three hours on two cores; smoke teaches one skill in minutes. Ctrl-C saves; the same command goes on where it stopped.",
            "",
            "Examples:",
            "  jwen pretrain --recipe nano -o nano",
            "  jwen pretrain --recipe nano --smoke -o smoke"
        })
final class PretrainCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Option(names = "--recipe", paramLabel = "NAME", required = true, description = "What to train: nano.")
    String recipe = "";

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            required = true,
            description = "Where the model, its report and what is needed to go on are kept.")
    Path output = Path.of("");

    @Option(names = "--smoke", description = "One skill only, in minutes: whether training works here.")
    boolean smoke;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Threads that compute; by default one for each core. The result does not depend on it.")
    int threads;

    @Option(
            names = "--save-every",
            paramLabel = "SECONDS",
            defaultValue = "300",
            description = "Time between two saves. Default: ${DEFAULT-VALUE}.")
    long saveSeconds;

    @Option(
            names = "--evaluate-every",
            paramLabel = "SECONDS",
            defaultValue = "900",
            description = "Time between two evaluations. Default: ${DEFAULT-VALUE}.")
    long evaluateSeconds;

    @Option(
            names = "--problems",
            paramLabel = "N",
            defaultValue = "40",
            description = "Held-out problems of each skill in an evaluation. Default: ${DEFAULT-VALUE}.")
    int problems;

    private final AtomicBoolean stopped = new AtomicBoolean();

    @Override
    public void run() {
        if (!recipe.equals("nano")) {
            throw new CommandException("--recipe must be nano, found " + recipe);
        }
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        String command = "jwen pretrain --recipe nano" + (smoke ? " --smoke" : "") + " -o " + output;
        Pretraining.Options options = new Pretraining.Options(
                threads == 0 ? WorkerPool.defaultThreads() : threads, command, saveSeconds, evaluateSeconds, problems);
        Pretraining.Listener listener = new Pretraining.Listener() {
            @Override
            public void step(Trainer.Result result, long steps, double tokensPerSecond, double secondsLeft) {
                if (result.step() % 20 == 0) {
                    out.printf(
                            "step %d/%d  loss %.4f  %.0f tokens/s  %.0f min left%n",
                            result.step(), steps, result.loss(), tokensPerSecond, secondsLeft / 60);
                    out.flush();
                }
            }

            @Override
            public void note(String message) {
                out.println(message);
                out.flush();
            }

            @Override
            public boolean isStopped() {
                return stopped.get();
            }
        };
        new Pretraining(smoke ? Recipe.smoke() : Recipe.nano(), Pretraining.prepared(output), options, listener)
                .run(listener);
    }
}
