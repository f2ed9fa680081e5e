package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MessageLinesTest {
    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "hello, false",
                "hello\\, true",
                "it's, false",
                "(, false",
                "\"\"\", true",
                "\"\"\"a, true",
                "\"\"\"a\"\"\", false",
                "\"\"\"\", true",
                "say \"\"\" now, false"
            })
    void aMessageIsOpenAfterABackslashOrThreeQuotes(String text, boolean open) {
        assertThat(MessageLines.isOpen(text)).isEqualTo(open);
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "hello, hello",
                "one\\|two, one|two",
                "\"\"\"one|two\"\"\", one|two",
                "\"\"\"|one|two|\"\"\", one|two"
            })
    void joiningTakesTheMarksAway(String lines, String message) {
        assertThat(MessageLines.join(lines.replace('|', '\n'))).isEqualTo(message.replace('|', '\n'));
    }
}
