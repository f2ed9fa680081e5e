package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class ScorePictureTest {
    @Test
    void barsAreAsLongAsTheScores() throws Exception {
        String svg = ScorePicture.svg(
                "a <model> & more",
                List.of(new Score("x", 4, 3, 1, List.of()), new Score("y", 2, 2, 1, List.of())),
                Map.of("x", 0.9));
        Document picture = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        Element first = (Element) picture.getElementsByTagName("rect").item(1);
        Element second = (Element) picture.getElementsByTagName("rect").item(2);
        double full = Double.parseDouble(second.getAttribute("width"));
        assertThat(Double.parseDouble(first.getAttribute("width"))).isCloseTo(0.75 * full, within(0.1));
        assertThat(first.getAttribute("fill")).isEqualTo("var(--bad)");
        assertThat(svg).contains(">75.0 % ", "3 of 4", "a &lt;model&gt; &amp; more");
    }
}
