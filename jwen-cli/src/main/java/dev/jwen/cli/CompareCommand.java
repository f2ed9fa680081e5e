package dev.jwen.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says how far two files of logits are apart. */
@Command(
        name = "compare",
        description = "Compares the logits in two safetensors files.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Both files hold a tensor logits [tokens, vocabulary], as 'jwen logits' writes it. KL is the mean divergence of the probabilities in the second file from those in the first.",
            "",
            "Example:",
            "  jwen compare here.safetensors reference.safetensors"
        })
final class CompareCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Parameters(index = "0", paramLabel = "OUT", description = "The file to judge.")
    @Nullable
    Path found;

    @Parameters(index = "1", paramLabel = "REF", description = "The file to judge it by.")
    @Nullable
    Path reference;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public void run() {
        LogitComparison result = LogitComparison.of(Objects.requireNonNull(found), Objects.requireNonNull(reference));
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        if (json) {
            Output.json(out, result);
            return;
        }
        out.printf("tokens              %,d of a vocabulary of %,d%n", result.tokens(), result.vocabulary());
        out.printf("largest difference  %.3g%n", result.maxDifference());
        out.printf("mean difference     %.3g%n", result.meanDifference());
        out.printf("same arg-max        %.2f %%%n", 100 * result.argMaxAgreement());
        out.printf("KL divergence       %.3g%n", result.meanKl());
        out.flush();
    }
}
