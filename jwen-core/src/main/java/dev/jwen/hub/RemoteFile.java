package dev.jwen.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A file of a published model.
 *
 * @param path in the repository, with slashes; it stays inside
 * @param size in bytes
 * @param hash SHA-256 of the bytes (64 digits), or of small files the SHA-1 of the git object (40 digits), in hexadecimal
 */
record RemoteFile(String path, long size, String hash) {
    private static final int SHA_256_DIGITS = 64;

    RemoteFile {
        if (!ModelName.isRelative(path)) {
            throw new HubException("the server lists a file '%s', which is no path inside a model. Nothing was fetched."
                    .formatted(HubException.clean(path)));
        }
        if (size < 0 || !hash.matches("[0-9a-f]{40}|[0-9a-f]{64}")) {
            throw new HubException(
                    "the server lists %s with size %d and checksum '%s', expected a size and a SHA-256 or git object name. Nothing was fetched; try again without the mirror, or another one."
                            .formatted(path, size, HubException.clean(hash)));
        }
    }

    /** The name of the checksum. */
    String algorithm() {
        return hash.length() == SHA_256_DIGITS ? "SHA-256" : "git SHA-1";
    }

    /** The checksum of a file's bytes, of the kind that {@link #hash} is. */
    String hashOf(Path file) throws IOException {
        MessageDigest digest = digest(hash.length() == SHA_256_DIGITS ? "SHA-256" : "SHA-1");
        if (hash.length() != SHA_256_DIGITS) {
            // A git object is its kind and length, a zero byte, and its bytes.
            digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] buffer = new byte[1 << 20];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }
}
