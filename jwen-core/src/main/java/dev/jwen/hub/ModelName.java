package dev.jwen.hub;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The name of a published model: {@code OWNER/REPO}, with a site before it and a choice behind it.
 *
 * <pre>
 *   Qwen/Qwen3.5-4B                        at Hugging Face
 *   Qwen/Qwen3.5-4B@v1.0                   a branch, tag or commit of it
 *   hf.co/OWNER/REPO:Q4_K_M                of its GGUF files the one in this quantisation
 *   hf.co/OWNER/REPO/FILE.gguf             this GGUF file
 *   modelscope.cn/OWNER/REPO               at ModelScope
 *   https://huggingface.co/OWNER/REPO/blob/main/FILE.gguf
 * </pre>
 *
 * @param revision branch, tag or commit; null for the site's usual branch
 * @param file path of a GGUF file in the repository, or null
 * @param quantisation such as Q4_K_M, in capitals, or null; never together with {@code file}
 */
public record ModelName(
        Site site,
        String owner,
        String repo,
        @Nullable String revision,
        @Nullable String file,
        @Nullable String quantisation) {

    /** What names look like, for messages. */
    static final String EXAMPLES =
            "Names look like Qwen/Qwen3.5-4B, hf.co/OWNER/REPO:Q4_K_M or modelscope.cn/OWNER/REPO.";

    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?");
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}");
    private static final Pattern QUANTISATION = Pattern.compile("[A-Za-z0-9_.-]{1,60}");

    public ModelName {
        // "--" stands for a slash in the names of the cache's folders.
        for (String word : List.of(owner, repo)) {
            if (!WORD.matcher(word).matches() || word.contains("--") || word.contains("..")) {
                throw malformed(owner + "/" + repo);
            }
        }
        if (isGguf(repo) || repo.endsWith(".safetensors")) {
            throw malformed(owner + "/" + repo); // the path of a file that is not there
        }
        if (revision != null && (!REVISION.matcher(revision).matches() || !isRelative(revision))) {
            throw new HubException(
                    "'%s' is not the name of a revision: a branch, a tag or a commit is expected, such as main."
                            .formatted(HubException.clean(revision)));
        }
        if (quantisation != null && !QUANTISATION.matcher(quantisation).matches()) {
            throw malformed(owner + "/" + repo + ":" + quantisation);
        }
        if (file != null && (!isRelative(file) || !isGguf(file) || quantisation != null)) {
            throw malformed(owner + "/" + repo + "/" + file);
        }
    }

    /**
     * Reads a name.
     *
     * @throws HubException if it is none; the message says what names look like
     */
    public static ModelName of(String text) {
        String rest = text.strip().replaceFirst("^https?://", "").replaceFirst("/+$", "");
        String quantisation = null;
        int colon = rest.lastIndexOf(':');
        if (colon > rest.lastIndexOf('/')) {
            quantisation = rest.substring(colon + 1).toUpperCase(Locale.ROOT);
            rest = rest.substring(0, colon);
        }
        String revision = null;
        int at = rest.indexOf('@');
        if (at >= 0) {
            revision = rest.substring(at + 1);
            rest = rest.substring(0, at);
        }
        List<String> words = new ArrayList<>(List.of(rest.split("/", -1)));
        Site site = site(words.getFirst());
        if (site != null) {
            words.removeFirst();
            if (site == Site.MODELSCOPE && words.size() > 2 && words.getFirst().equals("models")) {
                words.removeFirst();
            }
        } else if (words.size() > 2 && words.getFirst().contains(".")) {
            throw new HubException(
                    "'%s': models are fetched from hf.co (huggingface.co) and modelscope.cn, not from %s. For a mirror of one of these add --mirror https://%s to OWNER/REPO."
                            .formatted(
                                    HubException.clean(text),
                                    HubException.clean(words.getFirst()),
                                    HubException.clean(words.getFirst())));
        }
        // The address of a page: OWNER/REPO/blob/main/FILE
        if (words.size() > 3 && List.of("tree", "blob", "resolve").contains(words.get(2)) && revision == null) {
            words.remove(2);
            revision = words.remove(2);
        }
        if (words.size() < 2) {
            throw malformed(text);
        }
        String file = words.size() == 2 ? null : String.join("/", words.subList(2, words.size()));
        try {
            return new ModelName(
                    site == null ? Site.HUGGING_FACE : site, words.get(0), words.get(1), revision, file, quantisation);
        } catch (HubException e) {
            throw e.getMessage() != null && e.getMessage().contains("revision") ? e : malformed(text);
        }
    }

    private static @Nullable Site site(String word) {
        return switch (word.toLowerCase(Locale.ROOT)) {
            case "hf.co", "www.hf.co", "huggingface.co", "www.huggingface.co" -> Site.HUGGING_FACE;
            case "modelscope.cn", "www.modelscope.cn" -> Site.MODELSCOPE;
            default -> null;
        };
    }

    private static HubException malformed(String text) {
        return new HubException("'%s' is not the name of a model. %s".formatted(HubException.clean(text), EXAMPLES));
    }

    /** Whether a path with slashes stays below where it starts, on every system. */
    static boolean isRelative(String path) {
        return !path.isEmpty()
                && path.chars().noneMatch(c -> c < ' ' || c == 0x7f || "\\:*?\"<>|".indexOf(c) >= 0)
                && List.of(path.split("/", -1)).stream()
                        .noneMatch(word -> word.isEmpty() || word.equals(".") || word.equals(".."));
    }

    static boolean isGguf(String path) {
        return path.toLowerCase(Locale.ROOT).endsWith(".gguf");
    }

    /** {@code OWNER/REPO}. */
    public String id() {
        return owner + "/" + repo;
    }

    /** The revision that is meant. */
    public String revisionOrBranch() {
        return revision == null ? site.branch() : revision;
    }

    /** The same model at another revision; null for the usual branch. */
    public ModelName atRevision(@Nullable String other) {
        return new ModelName(site, owner, repo, other, file, quantisation);
    }

    /** The same repository and revision, with this choice of a GGUF file. */
    ModelName choosing(@Nullable String chosenFile, @Nullable String chosenQuantisation) {
        return new ModelName(site, owner, repo, revision, chosenFile, chosenQuantisation);
    }

    /** The name of its folder in the cache. */
    String folder() {
        String prefix = site == Site.HUGGING_FACE ? "models--" : "models--" + site.host() + "--";
        return prefix + owner + "--" + repo;
    }

    /** The model that a folder of the cache is for, or null if it is for none. */
    static @Nullable ModelName ofFolder(String folder) {
        if (!folder.startsWith("models--")) {
            return null;
        }
        try {
            ModelName name = of(folder.substring("models--".length()).replace("--", "/"));
            return name.folder().equals(folder) ? name : null;
        } catch (HubException e) {
            return null;
        }
    }

    /** The page of the model, for people. */
    public String page() {
        return site.page(id());
    }

    /** The shortest way to write the name. */
    @Override
    public String toString() {
        return (site == Site.HUGGING_FACE ? "" : site.host() + "/")
                + id()
                + (file == null ? "" : "/" + file)
                + (revision == null ? "" : "@" + revision)
                + (quantisation == null ? "" : ":" + quantisation);
    }
}
