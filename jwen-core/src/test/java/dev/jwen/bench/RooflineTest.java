package dev.jwen.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.PeakLoops.Arithmetic;
import java.io.StringReader;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

class RooflineTest {
    private static final Ceiling CEILING =
            new Ceiling(2, "test", 50e9, Map.of(Arithmetic.INT8, 2000e9, Arithmetic.F32, 500e9));

    private static KernelSpeed speed(String kernel, int tokens, double seconds, Arithmetic arithmetic) {
        return new KernelSpeed(kernel, tokens, seconds, 5e6, 10e6 * tokens, arithmetic);
    }

    @Test
    void aKernelIsComparedWithTheLimitItMeetsFirst() {
        // 5 MB take 100 µs; 10 MOP take 5 µs as integers and 20 µs as floats.
        assertThat(speed("product Q4_0", 1, 200e-6, Arithmetic.INT8).share(CEILING))
                .isCloseTo(0.5, within(1e-9));
        assertThat(speed("product Q4_0", 100, 1000e-6, Arithmetic.INT8).share(CEILING))
                .isCloseTo(0.5, within(1e-9));
        assertThat(speed("product F32", 100, 2000e-6, Arithmetic.F32).share(CEILING))
                .isCloseTo(1, within(1e-9));
    }

    @Test
    void withoutInstructionsForBf16TheLimitIsThatOfFloats() {
        assertThat(CEILING.rate(Arithmetic.BF16)).isEqualTo(500e9);
    }

    @Test
    void everyKernelFromMemoryHasALabelInAWellFormedPictureInEveryLocale() throws Exception {
        List<KernelSpeed> speeds = List.of(
                speed("product Q4_0", 1, 110e-6, Arithmetic.INT8),
                speed("product Q8_0", 1, 110e-6, Arithmetic.INT8),
                speed("product Q4_0", 480, 3000e-6, Arithmetic.INT8),
                speed("attention <after> 8192", 1, 150e-6, Arithmetic.F32),
                new KernelSpeed("norm", 1, 1e-6, 0, 1e4, Arithmetic.F32));
        Locale before = Locale.getDefault();
        String svg;
        try {
            Locale.setDefault(Locale.GERMANY);
            svg = Roofline.svg("kernels & limits", CEILING, speeds);
        } finally {
            Locale.setDefault(before);
        }
        Document document =
                DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
        List<String> texts = java.util.stream.IntStream.range(
                        0, document.getElementsByTagName("text").getLength())
                .mapToObj(i -> document.getElementsByTagName("text").item(i).getTextContent())
                .toList();
        assertThat(texts)
                .contains(
                        "kernels & limits", "Q8_0", "attention <after> 8192 ×1", "int8 2,000 GOPS", "memory 50.0 GB/s")
                .doesNotContain("norm");
        assertThat(texts).filteredOn("Q4_0"::equals).hasSize(2);
    }

    @Test
    void aPictureOfNothingIsStillThatOfTheRoof() {
        assertThatCode(() -> Roofline.svg("empty", CEILING, List.of())).doesNotThrowAnyException();
    }
}
