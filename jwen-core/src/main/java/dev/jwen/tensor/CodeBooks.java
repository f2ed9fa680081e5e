package dev.jwen.tensor;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;

/**
 * The code books of the I-quants: each index stands for a group of 4 or 8 small integers, laid out one after the other.
 *
 * <p>They are facts of the formats and kept as digits in {@code codebooks.txt}; NOTICE names their origin. Loaded when
 * the first I-quant is decoded.
 */
public final class CodeBooks {
    private static final Map<String, byte[]> BOOKS = load();

    /** 256 groups of 8. */
    static final byte[] IQ2_XXS = book("iq2_xxs", 256 * 8);

    /** 512 groups of 8. */
    static final byte[] IQ2_XS = book("iq2_xs", 512 * 8);

    /** 1024 groups of 8. */
    static final byte[] IQ2_S = book("iq2_s", 1024 * 8);

    /** 256 groups of 4. */
    static final byte[] IQ3_XXS = book("iq3_xxs", 256 * 4);

    /** 512 groups of 4. */
    static final byte[] IQ3_S = book("iq3_s", 512 * 4);

    /** 2048 groups of 8 out of -1, 0 and 1, for IQ1_S and IQ1_M. */
    static final byte[] IQ1 = book("iq1", 2048 * 8);

    private CodeBooks() {}

    /**
     * A copy of the code book of an I-quant, one entry of 8 values (4 of the IQ3 types) after the other.
     *
     * @throws IllegalArgumentException if {@code type} has no code book
     */
    public static byte[] of(DataType type) {
        byte[] book = switch (type) {
            case IQ2_XXS -> IQ2_XXS;
            case IQ2_XS -> IQ2_XS;
            case IQ2_S -> IQ2_S;
            case IQ3_XXS -> IQ3_XXS;
            case IQ3_S -> IQ3_S;
            case IQ1_S, IQ1_M -> IQ1;
            default -> throw new IllegalArgumentException(type + " has no code book");
        };
        return book.clone();
    }

    private static byte[] book(String name, int size) {
        byte[] book = BOOKS.get(name);
        if (book == null || book.length != size) {
            throw new IllegalStateException(
                    "codebooks.txt: code book %s has %s values, expected %d. The build of this library is damaged."
                            .formatted(name, book == null ? "no" : book.length, size));
        }
        return book;
    }

    private static Map<String, byte[]> load() {
        Map<String, byte[]> books = new HashMap<>();
        text().lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            String[] parts = line.split(" ", -1);
            books.put(parts[0], entries(parts[1].split(",", -1), Integer.parseInt(parts[2]), parts[3]));
        });
        return books;
    }

    private static byte[] entries(String[] digits, int width, String base64) {
        byte[] packed = Base64.getDecoder().decode(base64);
        byte[] book = new byte[packed.length / 2 * width];
        for (int entry = 0; entry < packed.length / 2; entry++) {
            int number = SmallBlocks.int16(packed, 2 * entry);
            for (int i = 0; i < width; i++) {
                book[width * entry + i] = Byte.parseByte(digits[number % digits.length]);
                number /= digits.length;
            }
        }
        return book;
    }

    private static String text() {
        try (InputStream in = CodeBooks.class.getResourceAsStream("codebooks.txt")) {
            if (in == null) {
                throw new IllegalStateException(
                        "dev/jwen/tensor/codebooks.txt is missing from the class path; build the library again.");
            }
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
