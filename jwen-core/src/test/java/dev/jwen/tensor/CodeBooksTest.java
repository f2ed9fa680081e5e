package dev.jwen.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class CodeBooksTest {

    private static Stream<Arguments> books() {
        return Stream.of(
                Arguments.of(
                        "iq2xxs_grid",
                        CodeBooks.IQ2_XXS,
                        "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54"),
                Arguments.of(
                        "iq2xs_grid",
                        CodeBooks.IQ2_XS,
                        "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de"),
                Arguments.of(
                        "iq2s_grid",
                        CodeBooks.IQ2_S,
                        "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88"),
                Arguments.of(
                        "iq3xxs_grid",
                        CodeBooks.IQ3_XXS,
                        "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d"),
                Arguments.of(
                        "iq3s_grid",
                        CodeBooks.IQ3_S,
                        "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f"),
                Arguments.of(
                        "iq1s_grid",
                        CodeBooks.IQ1,
                        "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("books")
    void theBookHasTheChecksumOfItsTable(String name, byte[] book, String sha256) throws NoSuchAlgorithmException {
        assertThat(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(book)))
                .isEqualTo(sha256);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("books")
    void theBookEqualsItsTableValueByValue(String name, byte[] book, String sha256) throws IOException {
        try (Stream<String> lines = Files.lines(Golden.shared("data/ggml-grids/" + name + ".csv"))) {
            int[] table = lines.flatMap(line -> Stream.of(line.split(",", -1)))
                    .mapToInt(Integer::parseInt)
                    .toArray();
            int[] values = new int[book.length];
            for (int i = 0; i < values.length; i++) {
                values[i] = book[i];
            }
            assertThat(values).isEqualTo(table);
        }
    }
}
