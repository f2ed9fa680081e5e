package dev.jwen.hub;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where models come from and where they are kept.
 *
 * @param cache the folder with one {@code models--OWNER--REPO} for each model
 * @param huggingFace the server that is asked for models of Hugging Face, without slash at the end
 * @param modelScope the same for ModelScope
 * @param token goes to {@code huggingFace} and nowhere else; null for none
 * @param isOffline whether nothing may be fetched
 */
public record HubSettings(
        Path cache,
        URI huggingFace,
        URI modelScope,
        @Nullable String token,
        boolean isOffline) {

    private static final Set<String> YES = Set.of("1", "on", "yes", "true");

    public HubSettings {
        if (token != null && !token.matches("[\\x21-\\x7e]+")) {
            throw new HubException(
                    "the token for huggingface.co holds characters that no token has. Set HF_TOKEN to one from https://huggingface.co/settings/tokens.");
        }
    }

    /**
     * What the environment says, in the hub's own words: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN,
     * HF_TOKEN_PATH, HF_HUB_OFFLINE.
     *
     * @param home the user's folder
     * @param mirror the server to ask in place of the usual ones; null for these
     */
    public static HubSettings of(Map<String, String> environment, Path home, @Nullable String mirror) {
        String xdg = value(environment, "XDG_CACHE_HOME");
        String hfHome = value(environment, "HF_HOME");
        Path root = hfHome != null
                ? path(hfHome, home)
                : (xdg != null ? path(xdg, home) : home.resolve(".cache")).resolve("huggingface");
        String hubCache = value(environment, "HF_HUB_CACHE");
        String endpoint = mirror != null ? mirror : value(environment, "HF_ENDPOINT");
        return new HubSettings(
                hubCache != null ? path(hubCache, home) : root.resolve("hub"),
                server(endpoint != null ? endpoint : "https://" + Site.HUGGING_FACE.host()),
                server(mirror != null ? mirror : "https://" + Site.MODELSCOPE.host()),
                token(environment, root, home),
                YES.contains(environment.getOrDefault("HF_HUB_OFFLINE", "").toLowerCase(Locale.ROOT)));
    }

    private static @Nullable String token(Map<String, String> environment, Path root, Path home) {
        String token = value(environment, "HF_TOKEN");
        if (token != null) {
            return token;
        }
        String place = value(environment, "HF_TOKEN_PATH");
        Path file = place != null ? path(place, home) : root.resolve("token");
        if (!Files.isReadable(file) || !Files.isRegularFile(file)) {
            return null;
        }
        try {
            String text = Files.readString(file).strip();
            return text.isEmpty() ? null : text;
        } catch (IOException e) {
            throw new HubException("the token in %s cannot be read: %s.".formatted(file, e), e);
        }
    }

    private static @Nullable String value(Map<String, String> environment, String key) {
        String value = environment.get(key);
        return value == null || value.isBlank() ? null : value.strip();
    }

    private static Path path(String text, Path home) {
        return text.equals("~") || text.startsWith("~/")
                ? home.resolve(text.substring(Math.min(2, text.length())))
                : Path.of(text);
    }

    private static URI server(String text) {
        try {
            URI uri = new URI(text.contains("://") ? text : "https://" + text);
            String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
            if ((scheme.equals("https") || scheme.equals("http"))
                    && uri.getHost() != null
                    && uri.getRawUserInfo() == null
                    && uri.getRawQuery() == null
                    && uri.getRawFragment() == null) {
                return new URI(uri.toString().replaceFirst("/+$", ""));
            }
        } catch (URISyntaxException e) {
            throw notAServer(text);
        }
        throw notAServer(text);
    }

    private static HubException notAServer(String text) {
        return new HubException(
                "'%s' is not the address of a server; https://HOST is expected in --mirror and HF_ENDPOINT."
                        .formatted(HubException.clean(text)));
    }

    /** The server that is asked for models of a site. */
    URI server(Site site) {
        return switch (site) {
            case HUGGING_FACE -> huggingFace;
            case MODELSCOPE -> modelScope;
        };
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "HubSettings[cache=%s, huggingFace=%s, modelScope=%s, %s]"
                .formatted(cache, huggingFace, modelScope, token == null ? "no token" : "a token");
    }
}
