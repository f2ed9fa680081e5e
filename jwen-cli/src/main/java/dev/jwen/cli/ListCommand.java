package dev.jwen.cli;

import dev.jwen.hub.CachedModel;
import dev.jwen.hub.HubCache;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The models of this machine. */
@Command(
        name = "list",
        description = "Lists the models in the cache, those of the hub's other tools included.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  jwen list", "  jwen list --json | jq '.models[].name'"})
final class ListCommand implements Runnable {
    private static final DateTimeFormatter MINUTE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm");

    @Spec
    @Nullable
    CommandSpec spec;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public void run() {
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        Path cache = Models.settings(null).cache();
        List<CachedModel> models = new HubCache(cache).list();
        if (json) {
            Map<String, Object> facts = new LinkedHashMap<>();
            facts.put("cache", cache.toString());
            facts.put("models", models.stream().map(ListCommand::facts).toList());
            Output.json(out, facts);
            return;
        }
        if (models.isEmpty()) {
            out.println("There are no models in %s; %s came with Jwen. Fetch one: jwen pull Qwen/Qwen3.5-4B"
                    .formatted(cache, Nano.NAME));
            out.flush();
            return;
        }
        int width = models.stream()
                .mapToInt(model -> model.name().toString().length())
                .max()
                .orElse(0);
        String row = "%-" + Math.max(width, 4) + "s  %10s  %-22s  %s%n";
        out.printf(row, "NAME", "SIZE", "FORMAT", "WHEN");
        for (CachedModel model : models) {
            out.printf(
                    row,
                    model.name(),
                    Units.bytes(model.sizeBytes()),
                    Printable.text((model.format() + " " + model.type()).strip()),
                    MINUTE.format(model.modified().atZone(ZoneId.systemDefault())));
        }
        out.flush();
    }

    /** What scripts want to know of a model. */
    static Map<String, Object> facts(CachedModel model) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("name", model.name().toString());
        facts.put("path", model.path().toString());
        facts.put("commit", model.commit());
        facts.put("size_bytes", model.sizeBytes());
        facts.put("format", model.format());
        facts.put("type", model.type());
        facts.put("modified", model.modified().toString());
        return facts;
    }
}
