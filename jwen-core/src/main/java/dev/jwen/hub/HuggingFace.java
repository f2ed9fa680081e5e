package dev.jwen.hub;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Hugging Face, and mirrors that speak as it does.
 *
 * @param server without slash at the end
 * @see <a href="https://huggingface.co/docs/hub/api">Hub API endpoints</a>
 */
record HuggingFace(URI server) implements Catalogue {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @Override
    public Listing list(Http http, ModelName name) throws InterruptedException {
        URI uri = Catalogue.below(
                server,
                "/api/models/%s/revision/%s?blobs=true"
                        .formatted(name.id(), Catalogue.escapedWord(name.revisionOrBranch())));
        JsonNode model = parsed(http.body(uri), uri);
        JsonNode siblings = model.path("siblings");
        String commit = model.path("sha").asString("");
        if (!siblings.isArray()) {
            throw notAListing(uri);
        }
        List<RemoteFile> files = new ArrayList<>();
        for (JsonNode file : siblings) {
            // A large file stands in git as a pointer; its own size and checksum are those of the pointer's target.
            JsonNode lfs = file.path("lfs");
            String hash = lfs.isObject()
                    ? lfs.path("sha256").asString("")
                    : file.path("blobId").asString("");
            long size = (lfs.isObject() ? lfs : file).path("size").asLong(-1);
            files.add(new RemoteFile(file.path("rfilename").asString(""), size, hash));
        }
        return new Listing(commit, commit, files);
    }

    @Override
    public URI address(ModelName name, Listing listing, String path) {
        return Catalogue.below(
                server, "/%s/resolve/%s/%s".formatted(name.id(), listing.revision(), Catalogue.escaped(path)));
    }

    static JsonNode parsed(byte[] body, URI uri) {
        try {
            return JSON.readTree(body);
        } catch (JacksonException e) {
            throw notAListing(uri);
        }
    }

    static HubException notAListing(URI uri) {
        return new HubException(
                "%s does not answer with a list of files. Check the address of the mirror, and whether a login page is in between."
                        .formatted(uri));
    }
}
