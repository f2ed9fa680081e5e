package dev.jwen.hub;

/** Where models are published. */
public enum Site {
    HUGGING_FACE("huggingface.co", "", "main"),
    MODELSCOPE("modelscope.cn", "models/", "master");

    private final String host;
    private final String pages;
    private final String branch;

    Site(String host, String pages, String branch) {
        this.host = host;
        this.pages = pages;
        this.branch = branch;
    }

    /** The public server, without scheme. */
    public String host() {
        return host;
    }

    /** The revision that a name without one means. */
    public String branch() {
        return branch;
    }

    /** The page of a model, for people. */
    public String page(String id) {
        return "https://" + host + "/" + pages + id;
    }
}
