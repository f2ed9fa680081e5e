package dev.jwen.hub;

import java.util.List;

/**
 * What a repository holds at one revision.
 *
 * @param commit names the contents for good
 * @param revision what to ask for when a file is fetched
 */
record Listing(String commit, String revision, List<RemoteFile> files) {
    Listing {
        if (!commit.matches("[0-9a-f]{7,64}")) {
            throw new HubException("the server names the commit '%s', expected hexadecimal digits. Nothing was fetched."
                    .formatted(HubException.clean(commit)));
        }
        files = List.copyOf(files);
    }
}
