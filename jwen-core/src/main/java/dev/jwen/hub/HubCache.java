package dev.jwen.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The models of this machine: those that were pulled, and those that the hub's other tools left in the same folder.
 * Looking changes nothing.
 */
public final class HubCache {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final int SHORTEST_COMMIT = 7;
    private static final int SHOWN_COMMIT = 12;

    private final Path folder;

    public HubCache(Path folder) {
        this.folder = folder;
    }

    /**
     * What a name stands for: the directory of a safetensors model, or a GGUF file (of a split one the first part).
     *
     * @throws HubException if it is not here, or does not choose one of several; the message says what to do
     */
    public Path find(ModelName name) {
        CachedRepo repo = new CachedRepo(folder, name);
        String commit = commit(repo, name);
        Path snapshot = repo.snapshot(commit);
        List<String> paths = repo.paths(commit);
        if (name.file() != null && paths.contains(name.file())) {
            return snapshot.resolve(name.file());
        }
        boolean isSafetensors = paths.stream().anyMatch(HubCache::isWeights);
        if (name.file() == null && name.quantisation() == null && isSafetensors) {
            return snapshot;
        }
        List<GgufModel> models = GgufModel.of(paths);
        if (models.isEmpty()) {
            throw notHere(name, "is in the cache without weights", snapshot);
        }
        boolean isHere = (name.quantisation() == null && name.file() == null)
                || models.stream().anyMatch(model -> model.quantisation().equals(name.quantisation()));
        if (!isHere) {
            throw notHere(
                    name,
                    "is not in the cache, but "
                            + String.join(
                                    ", ",
                                    models.stream()
                                            .map(model -> model.name(name.choosing(null, null), models))
                                            .toList()),
                    snapshot);
        }
        GgufModel model = GgufModel.chosen(models, name);
        if (!model.isComplete()) {
            throw notHere(
                    name,
                    "is in the cache with %d of its %d files"
                            .formatted(model.files().size(), model.parts()),
                    snapshot);
        }
        return snapshot.resolve(model.files().getFirst());
    }

    private static boolean isWeights(String path) {
        return path.endsWith(".safetensors") && !path.contains("/");
    }

    private static HubException notHere(ModelName name, String how, Path where) {
        return new HubException("%s %s (%s). Fetch it with: jwen pull %s".formatted(name, how, where, name));
    }

    private static String commit(CachedRepo repo, ModelName name) {
        String revision = name.revisionOrBranch();
        List<String> commits = repo.commits();
        Map<String, String> refs = repo.refs();
        String commit = refs.get(revision);
        if (commit != null && commits.contains(commit)) {
            return commit;
        }
        List<String> matching = revision.length() < SHORTEST_COMMIT
                ? List.of()
                : commits.stream().filter(c -> c.startsWith(revision)).toList();
        if (matching.size() == 1) {
            return matching.getFirst();
        }
        if (commits.isEmpty()) {
            throw notHere(name, "is not in the cache", repo.root());
        }
        throw notHere(
                name,
                "is not in the cache at revision '%s', but as %s"
                        .formatted(
                                revision,
                                String.join(
                                        ", ",
                                        commits.stream()
                                                .map(c -> name.atRevision(revision(refs, c))
                                                        .toString())
                                                .toList())),
                repo.root());
    }

    /** How a commit is named best: by a revision that points to it, or by its first digits. */
    private static String revision(Map<String, String> refs, String commit) {
        return refs.entrySet().stream()
                .filter(ref -> ref.getValue().equals(commit))
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(commit.substring(0, Math.min(SHOWN_COMMIT, commit.length())));
    }

    /** All models, by name; each quantisation of a repository is one. */
    public List<CachedModel> list() {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<CachedModel> models = new ArrayList<>();
        try (Stream<Path> list = Files.list(folder)) {
            for (Path path : list.filter(Files::isDirectory).sorted().toList()) {
                ModelName name = ModelName.ofFolder(path.getFileName().toString());
                if (name != null) {
                    models.addAll(list(name));
                }
            }
        } catch (IOException e) {
            throw CachedRepo.unreadable(folder, e);
        }
        return models;
    }

    private List<CachedModel> list(ModelName repository) {
        CachedRepo repo = new CachedRepo(folder, repository);
        Map<String, String> refs = repo.refs();
        List<CachedModel> models = new ArrayList<>();
        for (String commit : repo.commits()) {
            boolean isBranch = commit.equals(refs.get(repository.site().branch()));
            ModelName name = isBranch ? repository : repository.atRevision(revision(refs, commit));
            models.addAll(list(repo, name, commit));
        }
        List<Path> parts = CachedRepo.files(repo.blobs()).stream()
                .filter(file -> Part.isPart(file.getFileName().toString()))
                .toList();
        if (models.isEmpty() && !parts.isEmpty()) {
            List<Path> all = CachedRepo.files(repo.blobs());
            models.add(new CachedModel(repository, repo.root(), "", sizes(all), "unfinished", "", youngest(all)));
        }
        return models;
    }

    private static List<CachedModel> list(CachedRepo repo, ModelName name, String commit) {
        List<CachedModel> models = new ArrayList<>();
        Path snapshot = repo.snapshot(commit);
        List<String> paths = repo.paths(commit);
        List<GgufModel> ggufs = GgufModel.of(paths);
        if (paths.stream().anyMatch(HubCache::isWeights) || ggufs.isEmpty()) {
            boolean isModel = paths.stream().anyMatch(HubCache::isWeights);
            List<Path> files = paths.stream()
                    .filter(path -> !ModelName.isGguf(path))
                    .map(snapshot::resolve)
                    .toList();
            models.add(new CachedModel(
                    name,
                    snapshot,
                    commit,
                    sizes(files),
                    isModel ? "safetensors" : "other",
                    isModel ? dtype(snapshot.resolve("config.json")) : "",
                    youngest(files)));
        }
        for (GgufModel model : ggufs) {
            List<Path> files = new ArrayList<>(
                    model.files().stream().map(snapshot::resolve).toList());
            String first = model.files().getFirst();
            paths.stream()
                    .filter(path -> GgufModel.isTower(path) && parent(path).equals(parent(first)))
                    .map(snapshot::resolve)
                    .forEach(files::add);
            models.add(new CachedModel(
                    ModelName.of(model.name(name, ggufs)),
                    snapshot.resolve(first),
                    commit,
                    sizes(files),
                    model.isComplete() ? "GGUF" : "unfinished",
                    model.quantisation(),
                    youngest(files)));
        }
        return models;
    }

    /** What config.json says the weights are stored in; it may be of any model, or broken. */
    private static String dtype(Path config) {
        if (!Files.isRegularFile(config)) {
            return "";
        }
        try {
            JsonNode json = JSON.readTree(Files.readAllBytes(config));
            String method =
                    json.path("quantization_config").path("quant_method").asString("");
            if (!method.isEmpty()) {
                return HubException.clean(method);
            }
            for (JsonNode place : List.of(json, json.path("text_config"))) {
                for (String key : List.of("dtype", "torch_dtype")) {
                    if (place.path(key).isString()) {
                        return HubException.clean(place.path(key).asString());
                    }
                }
            }
            return "";
        } catch (JacksonException | IOException e) {
            return "unknown: config.json is broken";
        }
    }

    private static long sizes(List<Path> files) {
        long sum = 0;
        for (Path file : files) {
            try {
                sum += Part.receivedBytes(file);
            } catch (IOException e) {
                throw CachedRepo.unreadable(file, e);
            }
        }
        return sum;
    }

    private static Instant youngest(List<Path> files) {
        Instant youngest = Instant.EPOCH;
        for (Path file : files) {
            try {
                Instant time = Files.getLastModifiedTime(file).toInstant();
                youngest = time.isAfter(youngest) ? time : youngest;
            } catch (IOException e) {
                throw CachedRepo.unreadable(file, e);
            }
        }
        return youngest;
    }

    /**
     * What would go if a model were removed.
     *
     * @param commits of the revisions that would be gone altogether
     * @param freedBytes by files that nothing else uses
     */
    public record Removal(ModelName name, List<String> commits, long freedBytes, Set<Path> links, Set<Path> blobs) {}

    /**
     * Looks what removing a name would free: without revision and choice all of the repository, else that revision or
     * that GGUF model. Files that other revisions use stay.
     *
     * @throws HubException if it is not here
     */
    public Removal removal(ModelName name) {
        CachedRepo repo = new CachedRepo(folder, name);
        if (!Files.isDirectory(repo.root())) {
            throw new HubException(
                    "%s is not in the cache (%s), so there is nothing to remove.".formatted(name, folder));
        }
        Set<Path> links = new TreeSet<>();
        boolean isChoice = name.file() != null || name.quantisation() != null;
        if (name.revision() == null && !isChoice) {
            links.addAll(CachedRepo.files(repo.snapshots()));
        } else {
            String commit = commit(repo, name);
            links.addAll(isChoice ? chosen(repo, commit, name) : CachedRepo.files(repo.snapshot(commit)));
        }
        Set<Path> used = new HashSet<>();
        Set<String> commits = new TreeSet<>(repo.commits());
        for (Path link : CachedRepo.files(repo.snapshots())) {
            if (!links.contains(link)) {
                used.add(target(link));
                commits.remove(repo.snapshots().relativize(link).getName(0).toString());
            }
        }
        Set<Path> blobs = new TreeSet<>();
        if (used.isEmpty()) {
            blobs.addAll(CachedRepo.files(repo.blobs()));
        } else {
            links.stream()
                    .map(HubCache::target)
                    .filter(blob -> !used.contains(blob))
                    .forEach(blobs::add);
        }
        // Links may lead anywhere; only what lies in this model's own folder is ours to remove.
        blobs.removeIf(blob -> !blob.startsWith(repo.blobs()) || !Files.exists(blob, LinkOption.NOFOLLOW_LINKS));
        List<Path> freed = new ArrayList<>(blobs);
        links.stream().filter(link -> !Files.isSymbolicLink(link)).forEach(freed::add);
        return new Removal(name, List.copyOf(commits), sizes(freed), links, blobs);
    }

    /** The files of one GGUF model, and of its revision all if it is the only one there. */
    private static List<Path> chosen(CachedRepo repo, String commit, ModelName name) {
        Path snapshot = repo.snapshot(commit);
        List<String> paths = repo.paths(commit);
        List<GgufModel> models = GgufModel.of(paths);
        if (models.isEmpty()) {
            throw new HubException("%s holds no GGUF model, so there is nothing to remove.".formatted(snapshot));
        }
        GgufModel model = GgufModel.chosen(models, name);
        if (models.size() == 1 && paths.stream().noneMatch(HubCache::isWeights)) {
            return CachedRepo.files(snapshot);
        }
        List<String> gone = new ArrayList<>(model.files());
        String folder = parent(model.files().getFirst());
        if (models.stream()
                .noneMatch(other ->
                        !other.equals(model) && parent(other.files().getFirst()).equals(folder))) {
            // Nobody else there looks at the vision tower.
            paths.stream()
                    .filter(path -> GgufModel.isTower(path) && parent(path).equals(folder))
                    .forEach(gone::add);
        }
        return gone.stream().map(snapshot::resolve).toList();
    }

    private static String parent(String path) {
        return path.substring(0, path.lastIndexOf('/') + 1);
    }

    private static Path target(Path link) {
        try {
            return Files.isSymbolicLink(link)
                    ? link.resolveSibling(Files.readSymbolicLink(link)).normalize()
                    : link;
        } catch (IOException e) {
            throw CachedRepo.unreadable(link, e);
        }
    }

    /**
     * Removes a model, as {@link #removal} says at this moment. Waits for a pull of the same model.
     *
     * @return what was removed
     */
    public Removal remove(ModelName name) {
        CachedRepo repo = new CachedRepo(folder, name);
        removal(name);
        try (CachedRepo.Lock lock = repo.lock(PullListener.NONE)) {
            lock.requireHeld();
            Removal removal = removal(name);
            // Names first: half of a removed model must not be found.
            for (Map.Entry<String, String> ref : repo.refs().entrySet()) {
                if (removal.commits.contains(ref.getValue())) {
                    Files.deleteIfExists(repo.root().resolve("refs").resolve(ref.getKey()));
                }
            }
            for (Path link : removal.links) {
                Files.deleteIfExists(link);
                CachedRepo.deleteEmpty(link, repo.snapshots());
            }
            for (Path blob : removal.blobs) {
                Files.deleteIfExists(blob);
            }
            if (CachedRepo.files(repo.snapshots()).isEmpty()) {
                CachedRepo.delete(repo.root());
            }
            return removal;
        } catch (IOException e) {
            throw Part.unwritable(repo.root(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new HubException("the removal was interrupted.", e);
        }
    }
}
