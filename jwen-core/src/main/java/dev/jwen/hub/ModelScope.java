package dev.jwen.hub;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/**
 * ModelScope: public models, without a token.
 *
 * <p>It lists no commit of the whole repository. The SHA-1 of the listing, lines of checksum and path, stands for it: it
 * is the same as long as the contents are.
 *
 * @param server without slash at the end
 */
record ModelScope(URI server) implements Catalogue {
    @Override
    public Listing list(Http http, ModelName name) throws InterruptedException {
        String revision = name.revisionOrBranch();
        URI uri = Catalogue.below(
                server,
                "/api/v1/models/%s/repo/files?Revision=%s&Recursive=true"
                        .formatted(name.id(), Catalogue.escapedWord(revision)));
        JsonNode all = HuggingFace.parsed(http.body(uri), uri).path("Data").path("Files");
        if (!all.isArray()) {
            throw HuggingFace.notAListing(uri);
        }
        List<RemoteFile> files = new ArrayList<>();
        for (JsonNode file : all) {
            if (!file.path("Type").asString("blob").equals("tree")) {
                files.add(new RemoteFile(
                        file.path("Path").asString(""),
                        file.path("Size").asLong(-1),
                        file.path("Sha256").asString("").toLowerCase(Locale.ROOT)));
            }
        }
        return new Listing(commit(files), revision, files);
    }

    private static String commit(List<RemoteFile> files) {
        String lines = files.stream()
                .sorted(Comparator.comparing(RemoteFile::path))
                .map(file -> file.hash() + " " + file.path() + "\n")
                .collect(Collectors.joining());
        return HexFormat.of().formatHex(RemoteFile.digest("SHA-1").digest(lines.getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public URI address(ModelName name, Listing listing, String path) {
        return Catalogue.below(
                server,
                "/models/%s/resolve/%s/%s"
                        .formatted(name.id(), Catalogue.escapedWord(listing.revision()), Catalogue.escaped(path)));
    }
}
