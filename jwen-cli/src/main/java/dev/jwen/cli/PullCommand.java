package dev.jwen.cli;

import dev.jwen.hub.HubSettings;
import dev.jwen.hub.ModelName;
import dev.jwen.hub.Pull;
import dev.jwen.hub.PullListener;
import dev.jwen.hub.Pulled;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Fetches a model by its name. */
@Command(
        name = "pull",
        description = "Fetches a model from Hugging Face or ModelScope.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The files go where the hub's own tools keep theirs ($HF_HUB_CACHE, $HF_HOME/hub or",
            "~/.cache/huggingface/hub), and what is there already is used. A pull that was cut off",
            "goes on where it ended. For gated models set HF_TOKEN.",
            "",
            "Examples:",
            "  jwen pull Qwen/Qwen3.5-4B",
            "  jwen pull hf.co/OWNER/REPO:Q4_K_M",
            "  jwen pull modelscope.cn/Qwen/Qwen3.5-4B",
            "  jwen chat -m Qwen/Qwen3.5-4B"
        })
final class PullCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Parameters(
            paramLabel = "NAME",
            description =
                    "OWNER/REPO, at Hugging Face unless modelscope.cn/ stands before it; @REVISION, :QUANTISATION or /FILE.gguf may follow.")
    String name = "";

    @Option(names = "--revision", paramLabel = "REV", description = "A branch, tag or commit; by default the newest.")
    @Nullable
    String revision;

    @Option(
            names = "--mirror",
            paramLabel = "URL",
            description = "A server to ask in place of the usual one; also HF_ENDPOINT in the environment.")
    @Nullable
    String mirror;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public void run() {
        ModelName model = ModelName.of(name);
        if (revision != null) {
            if (model.revision() != null && !revision.equals(model.revision())) {
                throw new CommandException(
                        "%s and --revision %s name two revisions; say one".formatted(name, revision));
            }
            model = model.atRevision(revision);
        }
        HubSettings settings = Models.settings(mirror);
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        long start = System.nanoTime();
        Pulled pulled;
        try (Shown shown = new Shown(spec.commandLine().getErr(), model.toString())) {
            pulled = new Pull(settings).pull(model, shown);
        }
        Duration time = Duration.ofNanos(System.nanoTime() - start);
        if (json) {
            Output.json(out, facts(pulled, time));
        } else {
            out.println(
                    pulled.fetchedBytes() == 0
                            ? "%s is here: %s".formatted(model, Units.bytes(pulled.sizeBytes()))
                            : "%s: %s, of which %s came in %s"
                                    .formatted(
                                            model,
                                            Units.bytes(pulled.sizeBytes()),
                                            Units.bytes(pulled.fetchedBytes()),
                                            Units.time(time)));
            out.println(pulled.path());
            out.println("Try it: jwen chat -m " + model);
        }
        out.flush();
    }

    private static Map<String, Object> facts(Pulled pulled, Duration time) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("name", pulled.name().toString());
        facts.put("commit", pulled.commit());
        facts.put("path", pulled.path().toString());
        facts.put("files", pulled.files());
        facts.put("size_bytes", pulled.sizeBytes());
        facts.put("fetched_bytes", pulled.fetchedBytes());
        facts.put("seconds", time.toMillis() / 1e3);
        return facts;
    }

    /** A line for each file that is complete, and below them how far all is. */
    private static final class Shown implements PullListener, AutoCloseable {
        private final PrintWriter err;
        private final String name;
        private final Screen screen = Streams.messages();
        private @Nullable Progress progress;

        Shown(PrintWriter err, String name) {
            this.err = err;
            this.name = name;
        }

        @Override
        public void waiting() {
            say("Another pull of %s is under way; this one waits for it.".formatted(name));
        }

        @Override
        public void started(List<String> paths, long bytes, long present) {
            say("Fetching %d %s of %s: %s%s"
                    .formatted(
                            paths.size(),
                            paths.size() == 1 ? "file" : "files",
                            name,
                            Units.bytes(bytes),
                            present == 0 ? "" : ", beside " + Units.bytes(present) + " that are here"));
            progress = new Progress(screen, err, "Fetching", bytes, Units::bytes, System::nanoTime);
        }

        @Override
        public void progress(long bytes) {
            if (progress != null) {
                progress.update(bytes);
            }
        }

        @Override
        public void finished(String path, long size) {
            say("  %s  %s".formatted(path, Units.bytes(size)));
        }

        /** A line above the bar. */
        private void say(String line) {
            close();
            err.println(Printable.text(line));
            err.flush();
        }

        @Override
        public void close() {
            if (progress != null) {
                progress.close();
            }
        }
    }
}
