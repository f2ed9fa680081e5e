package dev.jwen.cli;

import dev.jwen.hub.HubCache;
import dev.jwen.hub.ModelName;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Removes a model from the cache. */
@Command(
        name = "rm",
        description = "Removes a model from the cache.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Without @REVISION and :QUANTISATION all of a repository goes. Files that another revision",
            "uses stay.",
            "",
            "Examples:",
            "  jwen rm Qwen/Qwen3.5-4B",
            "  jwen rm -y hf.co/OWNER/REPO:Q4_K_M"
        })
final class RmCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Parameters(paramLabel = "NAME", description = "A name as 'jwen list' shows it.")
    String name = "";

    @Option(names = "--revision", paramLabel = "REV", description = "Only this branch, tag or commit.")
    @Nullable
    String revision;

    @Option(
            names = {"-y", "--yes"},
            description = "Do not ask.")
    boolean yes;

    @Option(names = "--json", description = "Print JSON; does not ask.")
    boolean json;

    @Override
    public void run() {
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        if (name.equals(Nano.NAME)) {
            throw new CommandException(
                    "%s came with Jwen and was not pulled; there is nothing to remove".formatted(name));
        }
        ModelName model = ModelName.of(name);
        if (revision != null) {
            model = model.atRevision(revision);
        }
        HubCache cache = new HubCache(Models.settings(null).cache());
        HubCache.Removal planned = cache.removal(model);
        if (!yes
                && !json
                && !confirms("Remove %s? This frees %s.".formatted(model, Units.bytes(planned.freedBytes())))) {
            out.println("Nothing was removed.");
            out.flush();
            return;
        }
        HubCache.Removal removed = cache.remove(model);
        if (json) {
            Map<String, Object> facts = new LinkedHashMap<>();
            facts.put("name", model.toString());
            facts.put("commits", removed.commits());
            facts.put("freed_bytes", removed.freedBytes());
            Output.json(out, facts);
        } else {
            out.println("Removed %s: %s freed.".formatted(model, Units.bytes(removed.freedBytes())));
            out.flush();
        }
    }

    private boolean confirms(String question) {
        if (!Streams.isInputTerminal()) {
            throw new CommandException(
                    "there is no terminal to ask at; add -y to remove " + name + " without a question");
        }
        return Input.confirms(Objects.requireNonNull(spec).commandLine().getErr(), question);
    }
}
