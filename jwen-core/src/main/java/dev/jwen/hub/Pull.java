package dev.jwen.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Fetches models into the cache.
 *
 * <p>Files come first, under names that no program looks for; each is checked against the checksum that the site lists
 * and then put among the blobs. Only when all are there does a snapshot show them, and last the revision points to it.
 * So a pull that was killed has left nothing that looks like a model, and the next one goes on where it ended.
 */
public final class Pull {
    private final HubSettings settings;
    private final PullOptions options;
    private final Patience patience;

    public Pull(HubSettings settings) {
        this(settings, PullOptions.DEFAULT, Patience.DEFAULT);
    }

    Pull(HubSettings settings, PullOptions options, Patience patience) {
        this.settings = settings;
        this.options = options;
        this.patience = patience;
    }

    /**
     * Fetches what the cache lacks of a model. Pulls of the same model, from any process, go one after the other.
     *
     * @throws HubException if it cannot be had; the message says why and what to do
     */
    public Pulled pull(ModelName name, PullListener listener) {
        if (settings.isOffline()) {
            throw new HubException("HF_HUB_OFFLINE is set, so nothing is fetched. Unset it to pull " + name + ".");
        }
        Catalogue catalogue = Catalogue.of(settings, name.site());
        try (Http http = new Http(settings, name, patience)) {
            Listing listing = catalogue.list(http, name);
            List<RemoteFile> files = Selection.of(listing, name);
            CachedRepo repo = new CachedRepo(settings.cache(), name);
            try (CachedRepo.Lock lock = repo.lock(listener)) {
                lock.requireHeld();
                long fetched = fetch(http, catalogue, name, listing, files, repo, listener);
                repo.publish(listing.commit(), files);
                Path path = new HubCache(settings.cache()).find(name);
                return new Pulled(
                        name,
                        listing.commit(),
                        path,
                        files.stream().map(RemoteFile::path).toList(),
                        total(byHash(files)),
                        fetched);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new HubException("the pull was interrupted; what has come is kept.", e);
        }
    }

    private long fetch(
            Http http,
            Catalogue catalogue,
            ModelName name,
            Listing listing,
            List<RemoteFile> files,
            CachedRepo repo,
            PullListener listener)
            throws InterruptedException {
        List<RemoteFile> all = byHash(files);
        List<RemoteFile> missing =
                all.stream().filter(file -> !repo.has(listing.commit(), file)).toList();
        if (missing.isEmpty()) {
            return 0;
        }
        repo.create();
        long kept = missing.stream()
                .mapToLong(file -> Part.received(file, repo.blobs(), options.segmentBytes()))
                .sum();
        long needed = total(missing) - kept;
        requireSpace(repo.blobs(), name, needed);
        listener.started(missing.stream().map(RemoteFile::path).toList(), needed, total(all) - needed);
        try (Transfers transfers = new Transfers(
                http,
                patience,
                missing,
                path -> catalogue.address(name, listing, path),
                repo.blobs(),
                options,
                listener)) {
            return transfers.run();
        }
    }

    /** Files that are equal are fetched once. */
    private static List<RemoteFile> byHash(List<RemoteFile> files) {
        Map<String, RemoteFile> byHash = new LinkedHashMap<>();
        files.forEach(file -> byHash.putIfAbsent(file.hash(), file));
        return List.copyOf(byHash.values());
    }

    private static long total(List<RemoteFile> files) {
        long total = 0;
        for (RemoteFile file : files) {
            total += file.size();
            if (total < 0) {
                throw new HubException("the server lists more bytes than any disk has. Nothing was fetched.");
            }
        }
        return total;
    }

    private static void requireSpace(Path folder, ModelName name, long needed) {
        long free;
        try {
            free = Files.getFileStore(folder).getUsableSpace();
        } catch (IOException e) {
            throw Part.unwritable(folder, e);
        }
        if (needed > free) {
            throw new HubException(
                    "%s needs %.1f GB, and %s has %.1f GB free. Free some space, or name a folder on another disk in HF_HUB_CACHE."
                            .formatted(name, needed / 1e9, folder, free / 1e9));
        }
    }
}
