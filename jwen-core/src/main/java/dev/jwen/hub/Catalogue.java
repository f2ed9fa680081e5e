package dev.jwen.hub;

import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;

/** How a site lists the files of a model, and where each is. */
interface Catalogue {
    /** The files of a model at the revision that its name means. */
    Listing list(Http http, ModelName name) throws InterruptedException;

    /** The address of a file. */
    URI address(ModelName name, Listing listing, String path);

    static Catalogue of(HubSettings settings, Site site) {
        return switch (site) {
            case HUGGING_FACE -> new HuggingFace(settings.huggingFace());
            case MODELSCOPE -> new ModelScope(settings.modelScope());
        };
    }

    /** An address below a server: words that came from outside are escaped. */
    static URI below(URI server, String path) {
        return URI.create(server + path);
    }

    /** A path as it stands in an address; slashes stay. */
    static String escaped(String path) {
        return escapedWord(path).replace("%2F", "/");
    }

    /** A word as it stands in an address; slashes are escaped. */
    static String escapedWord(String word) {
        return URLEncoder.encode(word, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
