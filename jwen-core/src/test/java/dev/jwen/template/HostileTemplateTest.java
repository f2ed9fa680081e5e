package dev.jwen.template;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.template.TemplateException.Kind;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HostileTemplateTest {
    private static final String NAMESPACE = "{% set ns = namespace(x='ab', l=[1], t=(), d={}) %}";
    private static final List<String> PIECES = List.of(
            "-1", "10", "1e9", "''", "[]", "{}", "none", "x|list", "*", "**", "//", "%", ".a", "[0]", "[::-1]",
            "\ud83d", "\udfff", "\0");
    private static final String MANY = "{% for i in range(100000) %}";

    /** Source that needs too deep a stack. */
    static Stream<String> bottomless() {
        return Stream.of(
                NAMESPACE + MANY + "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
                NAMESPACE + MANY + "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
                NAMESPACE + MANY + "{% set ns.t = (ns.t,) %}{% endfor %}{{ {ns.t: 1} }}",
                NAMESPACE + MANY + "{% set ns.l = ns.l|map('string') %}{% endfor %}{{ ns.l|list }}",
                NAMESPACE + "{% set ns.x = ns %}{{ ns }}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(n) %}{% if n %}{{ m(n - 1) ~ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
                "{% macro m(n) %}{{ caller }}{% call m(n) %}x{% endcall %}{% endmacro %}{{ m(1) }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{% macro m(x) %}{% if true %}{% for i in [1] %}{% with %}{% set y %}{{ [m(x ~ 1 if x)]|map('upper')|join }}"
                        + "{% endset %}{{ y }}{% endwith %}{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}",
                "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
                "{% macro m(x) %}{{ [1]|map(attribute=m(x)) }}{% endmacro %}{{ m(1) }}",
                "{{ x" + "+1".repeat(5_000) + " }}",
                "{{ x" + ".a".repeat(5_000) + " }}",
                "{{ x" + "|string".repeat(5_000) + " }}");
    }

    /** Source that does too much; each of these would take more time or memory than there is. */
    static Stream<String> endless() {
        return Stream.of(
                MANY + MANY + "{{ i }}{% endfor %}{% endfor %}",
                MANY + MANY + MANY + "{% endfor %}{% endfor %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.x = ns.x|replace('a', ns.x) %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.x = ns.x|tojson|tojson %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.x = [ns.x, ns.x]|join(ns.x) %}{% endfor %}",
                NAMESPACE + MANY
                        + "{% set ns.x = ns.x|e|indent|center(5000) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
                NAMESPACE + MANY + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
                NAMESPACE + "{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l|list }}",
                NAMESPACE + "{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
                NAMESPACE + "{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
                NAMESPACE + "{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}",
                NAMESPACE
                        + "{% for i in range(60) %}{% set ns.d = {'a': ns.d, 'b': ns.d} %}{% endfor %}{{ ns.d|tojson(indent=8) }}",
                "{{ 'a' * 10**9 }}",
                "{{ [0] * 10**9 }}",
                "{{ (0,) * 10**12 }}",
                "{{ '' * 10**18 }}{{ 'ab' * 10**18 }}",
                "{{ 10 ** 1000000000 }}",
                "{% set ns = namespace(n=3) %}" + MANY + "{% set ns.n = ns.n * ns.n %}{% endfor %}",
                "{{ 'a'.center(2000000000) }}",
                "{{ 'a'|center(2000000000) }}",
                "{{ 'a'.ljust(2000000000) }}{{ 'a'.zfill(2000000000) }}",
                "{{ '\t'.expandtabs(2000000000) }}",
                "{{ 'a\nb'|indent(2000000000) }}",
                "{{ [1]|tojson(indent=2000000000) }}",
                "{{ '%900000000d' % 1 }}",
                "{{ '%.900000000f' % 1.5 }}",
                "{{ '{:>900000000}'.format(1) }}",
                "{{ '{:.900000000f}'.format(1.5) }}",
                "{{ '%*s' % (10**9, 'a') }}",
                "{{ [1]|batch(10**9, 'x')|list }}",
                "{{ [1]|slice(10**9)|list|length }}",
                "{% set s = 'a' * 9000000 %}" + MANY + "{% set t = s.upper() %}{% endfor %}",
                "{% set s = 'a' * 5000000 %}{{ (s ~ 'b') in (s ~ s) }}",
                "{% set s = 'a' * 2000000 %}{{ s.count(s[1000000:] ~ 'b') }}",
                "{% set s = 'a' * 2000000 %}{{ s.split(s[1000000:] ~ 'b') }}",
                "{% set s = 'a' * 2000000 %}{{ s.strip('b' * 1000000 ~ 'a') }}",
                "{% set s = '\u00e9' * 8000000 %}" + MANY + "{% if s[7999999] %}{% endif %}{% endfor %}",
                MANY + "{{ 'x' * 1000 }}{% endfor %}",
                MANY + "{% set x %}" + MANY + "{% endfor %}{% endset %}{% endfor %}",
                MANY + "{{ range(100000)|sum }}{% endfor %}",
                MANY + "{{ range(100000)|sort }}{% endfor %}",
                MANY + "{% if -1 in range(100000) %}{% endif %}{% endfor %}",
                MANY + "{{ strftime_now('%c' * 100000) }}{% endfor %}");
    }

    @ParameterizedTest
    @MethodSource({"endless", "bottomless"})
    void anEndlessTemplateEndsAtItsLimits(String source) {
        long start = System.nanoTime();
        TemplateException failure = TemplateTest.failure(source, Map.of("x", 1));
        assertThat(failure.kind()).as(failure.getMessage()).isEqualTo(Kind.LIMIT);
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMinutes(1));
    }

    static Stream<String> deep() {
        return Stream.of(
                        "(",
                        "[",
                        "{'a':",
                        "-",
                        "not ",
                        "a[",
                        "a(",
                        "x if x else ",
                        "a|f(",
                        "1 is eq ",
                        "(1, ",
                        "a.b(c=")
                .map(piece -> "{{ " + piece.repeat(100_000));
    }

    @ParameterizedTest
    @MethodSource("deep")
    void deepNestingIsASyntaxError(String source) {
        assertThat(TemplateTest.failure(source, Map.of()).kind()).isEqualTo(Kind.SYNTAX);
    }

    @Test
    void deepStatementsAreASyntaxError() {
        for (String tag :
                List.of("if x", "for x in y", "macro m()", "set x", "filter upper", "with", "call m()", "generation")) {
            String source = ("{% " + tag + " %}").repeat(100_000);
            assertThat(TemplateTest.failure(source, Map.of()).kind()).as(tag).isEqualTo(Kind.SYNTAX);
        }
        assertThat(TemplateTest.failure("{% set " + "(".repeat(100_000) + "a" + " %}", Map.of())
                        .kind())
                .isEqualTo(Kind.SYNTAX);
    }

    @Test
    void longChainsEndAtTheDepthLimit() {
        for (String piece : List.of("+1", ".a", "|string", "[0]", "**1", " and 1", "()")) {
            TemplateException failure = TemplateTest.failure("{{ x" + piece.repeat(100_000) + " }}", Map.of("x", 1));
            assertThat(failure.kind()).as(piece).isEqualTo(Kind.LIMIT);
        }
        String many = "{% elif x %}".repeat(50_000);
        assertThat(Template.parse("{% if x %}" + many + "{% endif %}").render(Map.of()))
                .isEmpty();
    }

    @Test
    void deepVariablesEndAtTheDepthLimit() {
        Object value = 1;
        for (int i = 0; i < 100_000; i++) {
            value = List.of(value);
        }
        assertThat(TemplateTest.failure("{{ x }}", Map.of("x", value)).kind()).isEqualTo(Kind.LIMIT);
    }

    /** A thread of 512 KiB is half of what the JVM gives by default. */
    @Test
    void theDepthLimitComesBeforeTheEndOfASmallStack() throws InterruptedException {
        Runnable all = () ->
                Stream.concat(bottomless(), deep()).forEach(source -> TemplateTest.failure(source, Map.of("x", 1)));
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        Thread thread = new Thread(null, all, "small stack", 512 << 10);
        thread.setUncaughtExceptionHandler((t, e) -> failure.set(e));
        thread.start();
        thread.join();
        assertThat(failure.get()).isNull();
    }

    @Test
    void mutatedTemplatesFailInNoOtherWay() {
        List<String> seeds =
                TemplateTest.ownCases().map(TemplateTest.Case::source).toList();
        Map<String, Object> variables =
                TemplateTest.ownCases().findFirst().orElseThrow().variables();
        long seed = 20261123;
        SplittableRandom random = new SplittableRandom(seed);
        Limits limits = new Limits(100_000, 600, 100_000);
        int rendered = 0;
        for (int i = 0; i < 12_000; i++) {
            String source = mutated(seeds, random);
            try {
                Template.parse(source).render(variables, limits, java.time.Clock.systemUTC());
                rendered++;
            } catch (TemplateException expected) {
                assertThat(expected.line()).isPositive();
            } catch (RuntimeException | StackOverflowError e) {
                throw new AssertionError("seed %d, mutant %d: %s".formatted(seed, i, source), e);
            }
        }
        assertThat(rendered).isGreaterThan(1_000);
    }

    private static String mutated(List<String> seeds, SplittableRandom random) {
        StringBuilder source = new StringBuilder(seeds.get(random.nextInt(seeds.size())));
        String other = seeds.get(random.nextInt(seeds.size()));
        for (int edits = random.nextInt(1, 4); edits > 0; edits--) {
            int at = random.nextInt(source.length() + 1);
            int from = random.nextInt(other.length());
            int to = random.nextInt(from, Math.min(other.length(), from + 20) + 1);
            switch (random.nextInt(5)) {
                case 0 -> source.delete(at, Math.min(source.length(), at + random.nextInt(4)));
                case 1 -> source.insert(at, other, from, to);
                case 2 -> source.insert(at, (char) random.nextInt(32, 127));
                case 3 -> source.insert(at, PIECES.get(random.nextInt(PIECES.size())));
                default -> source.setLength(at == 0 ? source.length() : at);
            }
        }
        return source.toString();
    }
}
