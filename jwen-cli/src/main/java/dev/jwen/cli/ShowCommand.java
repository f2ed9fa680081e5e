package dev.jwen.cli;

import dev.jwen.hub.CachedModel;
import dev.jwen.hub.HubCache;
import dev.jwen.hub.ModelName;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jline.utils.AttributedString;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what a pulled model is, where it lies and what its makers say of it. */
@Command(
        name = "show",
        description = "Says what a pulled model is: where it lies, its licence, its card, and what 'inspect' says.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  jwen show Qwen/Qwen3.5-4B", "  jwen show --json hf.co/OWNER/REPO:Q4_K_M"})
final class ShowCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Parameters(paramLabel = "NAME", description = "A name as 'jwen list' shows it.")
    String name = "";

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public void run() {
        if (name.equals(Nano.NAME)) {
            show(Nano.find(), Map.of("name", name), Map.of("from", "came with Jwen"));
            return;
        }
        ModelName model = ModelName.of(name);
        HubCache cache = new HubCache(Models.settings(null).cache());
        Path path = cache.find(model);
        CachedModel cached = cache.list().stream()
                .filter(listed -> listed.path().equals(path))
                .findFirst()
                .orElseThrow(
                        () -> new CommandException(path + " is no model of its own; try 'jwen inspect " + path + "'"));
        Map<String, Object> facts = new LinkedHashMap<>(ListCommand.facts(cached));
        facts.put("page", model.page());
        Map<String, String> rows = new LinkedHashMap<>();
        rows.put("page", model.page());
        rows.put("commit", cached.commit());
        show(path, facts, rows);
    }

    /**
     * Prints what is known of a model, as JSON or as rows.
     *
     * @param facts for JSON, before what its card and its files say; among them its name
     * @param rows where it comes from
     */
    private void show(Path path, Map<String, Object> facts, Map<String, String> rows) {
        ModelCard card = card(path);
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        InspectCommand inspect = new InspectCommand();
        if (json) {
            Map<String, Object> all = new LinkedHashMap<>(facts);
            all.put("card", card.fields());
            all.put("summary", card.summary());
            inspect.printJson(out, path, all);
            return;
        }
        InspectCommand.row(out, "name", String.valueOf(facts.get("name")));
        rows.forEach((row, value) -> InspectCommand.row(out, row, value));
        for (String field : List.of("license", "license_link", "base_model", "pipeline_tag")) {
            String value = card.fields().get(field);
            if (value != null) {
                InspectCommand.row(out, field.replace('_', ' '), Printable.text(value));
            }
        }
        inspect.print(out, path);
        if (!card.summary().isEmpty()) {
            out.println();
            Columns.wrap(
                            new AttributedString(Printable.text(card.summary())),
                            Math.min(Streams.output().width(), 100))
                    .forEach(line -> out.println(line.toString()));
        }
        out.flush();
    }

    /** The card beside the model, or above it where GGUF files have folders of their own. */
    private static ModelCard card(Path model) {
        try {
            Path folder = Files.isDirectory(model) ? model : model.getParent();
            while (folder != null && folder.getParent() != null) {
                Path readme = folder.resolve("README.md");
                if (Files.exists(readme)
                        || String.valueOf(folder.getParent().getFileName()).equals("snapshots")) {
                    return ModelCard.of(readme);
                }
                folder = folder.getParent();
            }
            return new ModelCard(Map.of(), "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
