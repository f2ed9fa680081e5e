package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    @TempDir
    Path directory;

    private static String step(int step, double loss) {
        return String.format(
                Locale.ROOT,
                "{\"step\":%d,\"tokens\":%d,\"loss\":%.4f,\"learning_rate\":0.001,\"gradient_norm\":0.5,\"tokens_per_second\":20000,\"seconds\":%d}",
                step,
                step * 1000,
                loss,
                step);
    }

    private String report(String metrics) throws IOException {
        Path html = directory.resolve("report.html");
        Report.write(
                Files.writeString(directory.resolve("metrics.jsonl"), metrics),
                html,
                "Run <1>",
                "jwen train --a 'b' & c");
        return Files.readString(html);
    }

    private static List<double[]> points(String path) {
        List<double[]> points = new ArrayList<>();
        Matcher matcher = Pattern.compile("[ML](\\S+) (\\S+?)(?=[MLh]|$)").matcher(path);
        while (matcher.find()) {
            points.add(new double[] {Double.parseDouble(matcher.group(1)), Double.parseDouble(matcher.group(2))});
        }
        return points;
    }

    private static List<String> paths(String html) {
        List<String> paths = new ArrayList<>();
        Matcher matcher = Pattern.compile("<path d=\"([^\"]*)\"").matcher(html);
        while (matcher.find()) {
            paths.add(matcher.group(1));
        }
        return paths;
    }

    @Test
    void theCurveOfTheLossGoesThroughItsValues() throws IOException {
        List<String> lines = List.of(step(0, 4), step(5, 2), step(10, 1));
        String html = report(String.join("\n", lines));
        List<double[]> raw = points(paths(html).getFirst());
        // 0 tokens at x 56, 10,000 at x 800; loss 0 at y 360, the largest at y 16.
        assertThat(raw).hasSize(3);
        double[][] expected = {{56, 16}, {428, 188}, {800, 274}};
        for (int i = 0; i < expected.length; i++) {
            assertThat(raw.get(i)).containsExactly(expected[i], within(0.11));
        }
        assertThat(html).contains(">loss 1.0000<").contains("<td class=\"number\">20,000</td>");
    }

    @Test
    void aLongRunIsThinnedOutAndKeepsItsLastValue() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 1; i <= 20_000; i++) {
            lines.append(step(i, 1 + 3.0 / i)).append('\n');
        }
        List<double[]> raw = points(paths(report(lines.toString())).getFirst());
        assertThat(raw).hasSizeBetween(1_000, 1_500);
        assertThat(raw.getLast()[0]).isCloseTo(800, within(0.06));
    }

    @Test
    void skillsAndSamplesAreShownAndNothingIsTakenForHtml() throws IOException {
        String html = report(
                step(1, 3)
                        + "\n{\"step\":1,\"tokens\":1000,\"skills\":{\"addition\":0.93,\"a<b\":0.5}}\n"
                        + "{\"step\":2,\"tokens\":2000,\"skills\":{\"addition\":1.0,\"a<b\":0.25}}\n"
                        + "{\"step\":2,\"sample\":{\"skill\":\"addition\",\"prompt\":\"<script>1+1\",\"answer\":\"2\",\"solved\":true}}\n");
        assertThat(html)
                .contains(">addition 100<", ">a&lt;b 25<", "<td class=\"number\">100.0 %</td>")
                .contains("&lt;script&gt;1+1", "<b>2</b>", ">solved<")
                .contains("<title>Run &lt;1&gt;</title>", "jwen train --a 'b' &amp; c")
                .contains("prefers-color-scheme:dark")
                .doesNotContain("<script", "src=", "href=");
        List<double[]> addition = points(paths(html).get(2));
        assertThat(addition.getFirst()[1]).isCloseTo(360 - 0.93 * 344, within(0.06));
        assertThat(addition.getLast()[1]).isCloseTo(16, within(0.06));
    }

    @Test
    void everyPictureIsWellFormed() throws Exception {
        String html = report(step(1, 3) + "\n{\"step\":1,\"tokens\":1000,\"skills\":{\"a&b\":0.93}}\n");
        Matcher svg = Pattern.compile("<svg.*?</svg>", Pattern.DOTALL).matcher(html);
        int pictures = 0;
        for (; svg.find(); pictures++) {
            DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(new ByteArrayInputStream(svg.group().getBytes(StandardCharsets.UTF_8)));
        }
        assertThat(pictures).isEqualTo(2);
    }

    @Test
    void aLineThatIsBeingWrittenIsLeftOut() throws IOException {
        String whole = report(step(1, 3) + "\n" + step(2, 2) + "\n");
        String cut = report(step(1, 3) + "\n" + step(2, 2) + "\n" + step(3, 1).substring(0, 40));
        assertThat(cut).isEqualTo(whole);
        assertThat(report("")).contains("has not written anything yet");
    }

    @Test
    void whatARunWroteBeforeItWentBackIsReplaced() throws IOException {
        String once = report(step(1, 3) + "\n" + step(2, 1) + "\n" + step(3, 1) + "\n");
        assertThat(report(step(1, 3) + "\n" + step(2, 2) + "\n" + step(2, 1) + "\n" + step(3, 1) + "\n"))
                .isEqualTo(once);
    }

    @Test
    void aLossThatIsNoNumberBreaksTheCurve() throws IOException {
        String html = report(step(1, 3) + "\n" + step(2, 2).replace("2.0000", "\"NaN\"") + "\n" + step(3, 1) + "\n");
        assertThat(paths(html).getFirst().chars().filter(c -> c == 'M').count()).isEqualTo(2);
    }

    @Test
    void aBrokenLineIsNamed() {
        assertThatThrownBy(() -> report("oops\n" + step(1, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 1 is not JSON");
        assertThatThrownBy(() -> report(step(1, 3) + "\n{\"loss\":1}\n"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 2 has no step");
    }
}
