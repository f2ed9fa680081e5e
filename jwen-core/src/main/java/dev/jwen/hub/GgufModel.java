package dev.jwen.hub;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A model among the GGUF files of a repository.
 *
 * @param quantisation what its file name says, in capitals: Q4_K_M, UD-Q2_K_XL, BF16; empty if it says nothing
 * @param parts how many files there should be
 * @param files those that there are, in order
 */
record GgufModel(String quantisation, int parts, List<String> files) {
    private static final Pattern PART = Pattern.compile("(.+)-(\\d{5})-of-(\\d{5})\\.gguf", Pattern.CASE_INSENSITIVE);
    private static final Pattern QUANTISATION = Pattern.compile(
            "(?:^|[-._])((?:UD-)?(?:I?Q\\d(?:_[A-Z0-9]+)*|TQ\\d_\\d|BF16|FP?16|FP?32|(?:MX|NV)FP4(?:_MOE)?))(?=$|[-.])");

    /** The models among {@code paths}, by name; files with a vision tower are none. */
    static List<GgufModel> of(Collection<String> paths) {
        Map<String, List<String>> files = new LinkedHashMap<>();
        for (String path : new TreeSet<>(paths)) {
            if (ModelName.isGguf(path) && !isTower(path)) {
                Matcher part = PART.matcher(path);
                String key = part.matches() ? part.group(1) + "-of-" + part.group(3) : path;
                files.computeIfAbsent(key, k -> new ArrayList<>()).add(path);
            }
        }
        return files.values().stream()
                .map(list -> new GgufModel(quantisationOf(list.getFirst()), partsOf(list.getFirst()), list))
                .toList();
    }

    private static int partsOf(String path) {
        Matcher part = PART.matcher(path);
        return part.matches() ? Integer.parseInt(part.group(3)) : 1;
    }

    static String quantisationOf(String path) {
        Matcher part = PART.matcher(path);
        String stem = part.matches() ? part.group(1) : path.substring(0, path.length() - ".gguf".length());
        String name = stem.substring(stem.lastIndexOf('/') + 1).toUpperCase(Locale.ROOT);
        Matcher matcher = QUANTISATION.matcher(name);
        String last = "";
        while (matcher.find()) {
            last = matcher.group(1);
        }
        return last;
    }

    /** Whether a file holds a vision tower instead of a model. */
    static boolean isTower(String path) {
        return ModelName.isGguf(path)
                && path.substring(path.lastIndexOf('/') + 1)
                        .toLowerCase(Locale.ROOT)
                        .contains("mmproj");
    }

    /**
     * The one that a name means.
     *
     * @param models all of the repository; at least one
     * @throws HubException if the name chooses none, or does not choose; the message lists them
     */
    static GgufModel chosen(List<GgufModel> models, ModelName name) {
        List<GgufModel> found = models.stream()
                .filter(model -> name.file() != null
                        ? model.files.contains(name.file())
                        : name.quantisation() == null || model.quantisation.equals(name.quantisation()))
                .toList();
        if (found.size() == 1) {
            return found.getFirst();
        }
        ModelName repository = name.choosing(null, null);
        String all = (found.isEmpty() ? models : found)
                .stream().map(model -> model.name(repository, models)).collect(Collectors.joining(", "));
        if (found.isEmpty()) {
            throw new HubException("%s has no GGUF file %s. There are: %s"
                    .formatted(repository, name.file() != null ? name.file() : "in " + name.quantisation(), all));
        }
        throw new HubException("%s has %d GGUF models. Name one of them: %s".formatted(name, found.size(), all));
    }

    /** How this one of several models is named: by its quantisation if that is unique, else by its file. */
    String name(ModelName repository, List<GgufModel> all) {
        boolean unique = !quantisation.isEmpty()
                && all.stream().filter(m -> m.quantisation.equals(quantisation)).count() == 1;
        return (unique ? repository.choosing(null, quantisation) : repository.choosing(files.getFirst(), null))
                .toString();
    }

    boolean isComplete() {
        return files.size() == parts;
    }
}
