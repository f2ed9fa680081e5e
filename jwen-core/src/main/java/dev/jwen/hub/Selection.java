package dev.jwen.hub;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Which files of a repository a model needs. */
final class Selection {
    private static final List<String> TOWERS = List.of("F16", "BF16", "F32", "Q8_0");

    private Selection() {}

    /**
     * The files that {@code name} needs: safetensors with their index, configuration, tokenizer and templates; or one
     * GGUF model with all its parts and its vision tower. The model card and licence come with either.
     *
     * @return each file of the repository once, and last a vision tower again under a name beside its model, if it
     *     lies elsewhere
     * @throws HubException if the repository has no such model, or several and the name does not choose
     */
    static List<RemoteFile> of(Listing listing, ModelName name) {
        Map<String, RemoteFile> files =
                listing.files().stream().collect(Collectors.toMap(RemoteFile::path, Function.identity(), (a, b) -> a));
        boolean hasSafetensors = files.keySet().stream().anyMatch(Selection::isWeights);
        Set<String> chosen = new HashSet<>();
        List<RemoteFile> besides = new ArrayList<>();
        if (hasSafetensors && name.file() == null && name.quantisation() == null) {
            files.keySet().stream().filter(Selection::isOfSafetensors).forEach(chosen::add);
        } else if (name.file() != null && GgufModel.isTower(name.file()) && files.containsKey(name.file())) {
            chosen.add(name.file());
        } else {
            List<GgufModel> models = GgufModel.of(files.keySet());
            if (models.isEmpty()) {
                throw new HubException(
                        "%s has neither safetensors nor GGUF files%s, so Jwen cannot run it. Look for another repository of the model."
                                .formatted(
                                        name,
                                        files.isEmpty()
                                                ? ""
                                                : " among its " + files.size()
                                                        + (files.size() == 1 ? " file" : " files")));
            }
            GgufModel model = GgufModel.chosen(models, name);
            if (!model.isComplete()) {
                throw new HubException("%s has only %d of the %d parts of %s."
                        .formatted(
                                name,
                                model.files().size(),
                                model.parts(),
                                model.files().getFirst()));
            }
            chosen.addAll(model.files());
            String folder = folder(model.files().getFirst());
            for (String tower : tower(files.keySet(), folder)) {
                chosen.add(tower);
                if (!folder(tower).equals(folder)) {
                    // A model is looked at together with the vision tower that lies beside it.
                    RemoteFile file = Objects.requireNonNull(files.get(tower));
                    besides.add(new RemoteFile(folder + tower, file.size(), file.hash()));
                }
            }
        }
        files.keySet().stream().filter(Selection::isAboutTheModel).forEach(chosen::add);
        List<RemoteFile> selected = new ArrayList<>();
        chosen.stream().sorted().forEach(path -> selected.add(Objects.requireNonNull(files.get(path))));
        selected.addAll(besides);
        return selected;
    }

    private static boolean isWeights(String path) {
        // Some repositories hold the same weights a second time, "consolidated" for another program.
        return path.endsWith(".safetensors") && !path.contains("/") && !path.startsWith("consolidated");
    }

    private static boolean isOfSafetensors(String path) {
        String lower = path.toLowerCase(Locale.ROOT);
        if (path.contains("/")) {
            return path.startsWith("additional_chat_templates/") && lower.endsWith(".jinja");
        }
        return isWeights(path)
                || lower.endsWith(".json")
                || lower.endsWith(".jinja")
                || lower.equals("merges.txt")
                || lower.equals("vocab.txt");
    }

    private static boolean isAboutTheModel(String path) {
        return path.equals("README.md")
                || path.equals("LICENSE")
                || path.equals("LICENSE.md")
                || path.equals("LICENSE.txt");
    }

    /** The vision tower for a model: beside it or at the top, of several the 16-bit one. */
    private static List<String> tower(Set<String> paths, String folder) {
        List<String> found = new ArrayList<>();
        for (String place : List.of(folder, "")) {
            paths.stream()
                    .filter(path -> GgufModel.isTower(path) && folder(path).equals(place))
                    .forEach(found::add);
            if (!found.isEmpty()) {
                break;
            }
        }
        return found.stream()
                .min(Comparator.<String>comparingInt(path -> {
                            int rank = TOWERS.indexOf(GgufModel.quantisationOf(path));
                            return rank < 0 ? TOWERS.size() : rank;
                        })
                        .thenComparing(Comparator.naturalOrder()))
                .stream()
                .toList();
    }

    private static String folder(String path) {
        return path.substring(0, path.lastIndexOf('/') + 1);
    }
}
