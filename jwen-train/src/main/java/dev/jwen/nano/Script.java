package dev.jwen.nano;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.IntBinaryOperator;
import java.util.regex.Pattern;

/**
 * A small shell script with one wrong line, and what shows it.
 *
 * @param file its name
 * @param lines the script as it should be
 * @param line the index of the line that is wrong
 * @param wrong that line as it is
 * @param why what is wrong, as a clause: "it subtracts instead of adding"
 * @param need what the line as it should be must hold, a sentence, empty where {@code why} says enough
 * @param runs arguments, and what the script should print and does print
 */
record Script(String file, List<String> lines, int line, String wrong, String why, String need, List<Run> runs) {
    /** A test: {@code right} and {@code got} are one line each. */
    record Run(List<String> arguments, String right, String got) {}

    private static final List<String> NAMES =
            List.of("a", "b", "x", "y", "n", "m", "p", "q", "first", "second", "left");
    private static final List<String> WORDS =
            List.of("sun", "tea", "red", "cat", "sky", "oak", "pie", "fox", "ice", "joy");
    private static final List<String> PEOPLE =
            List.of("Mia", "Ben", "Nora", "Tom", "Ada", "Leo", "Ida", "Max", "Eva", "Jim");
    private static final List<String> HELLOS =
            List.of("Hello", "Good morning", "Welcome", "Hi", "Good night", "Goodbye");

    /** A way to get a line wrong; A and B stand for the variables. */
    private record Bug(String text, IntBinaryOperator value, String why) {}

    /** A number from one or two numbers. */
    private record Formula(String file, int arguments, String text, IntBinaryOperator value, List<Bug> bugs) {}

    private static final Bug ADDS = new Bug("A + B", (a, b) -> a + b, "it added the numbers");
    private static final Bug TAKES = new Bug("A - B", (a, b) -> a - b, "it subtracted the numbers");
    private static final Bug TWICE = new Bug("A + A", (a, b) -> a + a, "it used the first number twice");

    private static final List<Formula> FORMULAS = List.of(
            new Formula("add.sh", 2, "A + B", (a, b) -> a + b, List.of(TAKES, TWICE)),
            new Formula("sum.sh", 2, "A + B", (a, b) -> a + b, List.of(TAKES, TWICE)),
            new Formula(
                    "minus.sh",
                    2,
                    "A - B",
                    (a, b) -> a - b,
                    List.of(ADDS, new Bug("B - A", (a, b) -> b - a, "it swapped the numbers"))),
            new Formula(
                    "times.sh",
                    2,
                    "A * B",
                    (a, b) -> a * b,
                    List.of(ADDS, TAKES, new Bug("A * A", (a, b) -> a * a, "it used the first number twice"))),
            new Formula("area.sh", 2, "A * B", (a, b) -> a * b, List.of(ADDS, TAKES)),
            new Formula(
                    "border.sh",
                    2,
                    "2 * (A + B)",
                    (a, b) -> 2 * (a + b),
                    List.of(
                            new Bug("2 * A + B", (a, b) -> 2 * a + b, "the brackets were missing"),
                            new Bug("2 * (A - B)", (a, b) -> 2 * (a - b), "it subtracted the numbers"))),
            new Formula(
                    "average.sh",
                    2,
                    "(A + B) / 2",
                    (a, b) -> (a + b) / 2,
                    List.of(
                            new Bug("A + B / 2", (a, b) -> a + b / 2, "the brackets were missing"),
                            new Bug("(A + B) / 3", (a, b) -> (a + b) / 3, "it divided by 3"))),
            new Formula(
                    "rest.sh",
                    2,
                    "A % B",
                    (a, b) -> a % b,
                    List.of(new Bug("A / B", (a, b) -> a / b, "it divided the numbers"), TAKES)),
            new Formula(
                    "double.sh",
                    1,
                    "A * 2",
                    (a, b) -> a * 2,
                    List.of(
                            new Bug("A + 2", (a, b) -> a + 2, "it added 2"),
                            new Bug("A * 3", (a, b) -> a * 3, "it multiplied by 3"))),
            new Formula(
                    "square.sh",
                    1,
                    "A * A",
                    (a, b) -> a * a,
                    List.of(TWICE, new Bug("A * 2", (a, b) -> a * 2, "it multiplied by 2"))),
            new Formula(
                    "next.sh",
                    1,
                    "A + 1",
                    (a, b) -> a + 1,
                    List.of(
                            new Bug("A - 1", (a, b) -> a - 1, "it subtracted 1"),
                            new Bug("A + 2", (a, b) -> a + 2, "it added 2"))),
            new Formula(
                    "seconds.sh",
                    1,
                    "A * 60",
                    (a, b) -> a * 60,
                    List.of(
                            new Bug("A * 6", (a, b) -> a * 6, "it multiplied by 6"),
                            new Bug("A + 60", (a, b) -> a + 60, "it added 60"))));

    /** A script in which a test shows the bug, and whose wrong line stands in it once. */
    static Script draw(Draw draw) {
        while (true) {
            Script script = draw.oneIn(2) ? formula(draw) : program(draw);
            boolean shown = script.runs.stream().anyMatch(run -> !run.got.equals(run.right));
            if (shown && script.text().split(Pattern.quote(script.old()), -1).length == 2) {
                return script;
            }
        }
    }

    /** What is to be replaced, and by what, without the indent. */
    String old() {
        return wrong.strip();
    }

    String repaired() {
        return lines.get(line).strip();
    }

    /** What is thought before the line is mended. */
    String diagnosis() {
        return "I see, " + why + "." + (need.isEmpty() ? "" : " " + need);
    }

    /** The script with its bug. */
    String text() {
        List<String> text = new ArrayList<>(lines);
        text.set(line, wrong);
        return String.join("\n", text) + "\n";
    }

    /** The script that tests it; it stops at the first failure. */
    String test() {
        StringBuilder text = new StringBuilder("""
                check() {
                  want=$1
                  shift
                  got=$(sh %1$s "$@" 2>&1)
                  if [ "$got" != "$want" ]; then
                    echo "FAIL: %1$s $* gives $got, expected $want"
                    exit 1
                  fi
                }
                """.formatted(file));
        for (Run run : runs) {
            text.append("check '")
                    .append(run.right)
                    .append("' ")
                    .append(String.join(" ", run.arguments))
                    .append('\n');
        }
        return text.append("echo 'All tests passed.'\n").toString();
    }

    /** What the test prints of the first run that goes wrong. */
    String failure() {
        Run run = runs.stream().filter(r -> !r.got.equals(r.right)).findFirst().orElseThrow();
        return "FAIL: %s %s gives %s, expected %s".formatted(file, String.join(" ", run.arguments), run.got, run.right);
    }

    private static Script formula(Draw draw) {
        Formula formula = draw.of(FORMULAS);
        Bug bug = draw.of(formula.bugs);
        List<String> names = draw.some(2, NAMES);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < formula.arguments; i++) {
            lines.add(names.get(i) + "=$" + (i + 1));
        }
        boolean named = draw.oneIn(2);
        String around = named ? draw.of(List.of("result", "value", "answer")) + "=$((%s))" : "echo $((%s))";
        lines.add(around.formatted(filled(formula.text, names)));
        if (named) {
            lines.add("echo $" + around.substring(0, around.indexOf('=')));
        }
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            int a = draw.between(2, 30);
            int b = draw.between(2, 20);
            List<String> arguments =
                    List.of(Integer.toString(a), Integer.toString(b)).subList(0, formula.arguments);
            runs.add(new Run(
                    arguments,
                    Integer.toString(formula.value.applyAsInt(a, b)),
                    Integer.toString(bug.value.applyAsInt(a, b))));
        }
        return script(
                draw,
                formula.file,
                lines,
                formula.arguments,
                around.formatted(filled(bug.text, names)),
                bug.why,
                formula.arguments == 1
                        ? "The number is %s.".formatted(names.get(0))
                        : "The numbers are %s and %s.".formatted(names.get(0), names.get(1)),
                runs);
    }

    private static String filled(String text, List<String> names) {
        return text.replace("A", "\0").replace("B", names.get(1)).replace("\0", names.get(0));
    }

    /** Puts the usual first line before a script, or a comment. */
    private static Script script(
            Draw draw,
            String file,
            List<String> lines,
            int line,
            String wrong,
            String why,
            String need,
            List<Run> runs) {
        List<String> all = new ArrayList<>();
        if (draw.oneIn(2)) {
            all.add("#!/bin/sh");
        }
        if (draw.oneIn(3)) {
            all.add("# " + file);
        }
        int before = all.size();
        all.addAll(lines);
        return new Script(file, List.copyOf(all), before + line, wrong, why, need, List.copyOf(runs));
    }

    private static List<Run> numbers(
            Draw draw, int low, int high, Function<Integer, Object> right, Function<Integer, Object> got) {
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            int n = draw.between(low, high);
            runs.add(new Run(
                    List.of(Integer.toString(n)),
                    right.apply(n).toString(),
                    got.apply(n).toString()));
        }
        return runs;
    }

    private static Script program(Draw draw) {
        String n = draw.of(NAMES);
        return switch (draw.between(0, 9)) {
            case 0 -> larger(draw, true);
            case 1 -> larger(draw, false);
            case 2 -> greet(draw);
            case 3 -> even(draw, n);
            case 4 -> limit(draw, n);
            case 5 -> total(draw, n);
            case 6 -> factorial(draw, n);
            case 7 -> count(draw);
            case 8 -> join(draw);
            default -> capitals(draw);
        };
    }

    private static Script larger(Draw draw, boolean max) {
        List<String> names = draw.some(2, NAMES);
        String a = names.get(0);
        String b = names.get(1);
        String condition = "if [ $" + a + " %s $" + b + " ]; then";
        List<String> lines = List.of(
                a + "=$1",
                b + "=$2",
                condition.formatted(max ? "-gt" : "-lt"),
                "  echo $" + a,
                "else",
                "  echo $" + b,
                "fi");
        int x = draw.between(1, 60);
        int y = x + draw.between(1, 30);
        String small = Integer.toString(x);
        String large = Integer.toString(y);
        String right = max ? large : small;
        String got = max ? small : large;
        List<Run> runs =
                List.of(new Run(List.of(small, large), right, got), new Run(List.of(large, small), right, got));
        return script(
                draw,
                max ? "max.sh" : "min.sh",
                lines,
                2,
                condition.formatted(max ? "-lt" : "-gt"),
                "it compared the wrong way round",
                "",
                draw.oneIn(2) ? runs : runs.reversed());
    }

    private static Script greet(Draw draw) {
        String hello = draw.of(HELLOS);
        List<String> people = draw.some(2, PEOPLE);
        String variable = draw.of(List.of("name", "who", "person", "guest"));
        List<String> lines = List.of(variable + "=$1", "echo \"" + hello + ", $" + variable + "!\"");
        boolean literal = draw.oneIn(2);
        String other = draw.of(HELLOS);
        List<Run> runs = new ArrayList<>();
        for (String person : people) {
            runs.add(new Run(
                    List.of(person),
                    hello + ", " + person + "!",
                    literal ? hello + ", " + variable + "!" : other + ", " + person + "!"));
        }
        String wrong = literal ? hello + ", " + variable : other + ", $" + variable;
        return script(
                draw,
                "greet.sh",
                lines,
                1,
                "echo \"" + wrong + "!\"",
                literal ? "the dollar sign was missing" : "the greeting was wrong",
                literal ? "" : "It should be %s.".formatted(hello),
                runs);
    }

    private static Script even(Draw draw, String n) {
        boolean rest = draw.oneIn(2);
        int by = draw.between(3, 5);
        String condition = "if [ $((" + n + " %% %d)) -eq %d ]; then";
        List<String> lines = List.of(n + "=$1", condition.formatted(2, 0), "  echo even", "else", "  echo odd", "fi");
        return script(
                draw,
                "even.sh",
                lines,
                1,
                rest ? condition.formatted(2, 1) : condition.formatted(by, 0),
                rest ? "it compared the rest with 1" : "it divided by " + by,
                "",
                numbers(
                        draw,
                        1,
                        40,
                        x -> x % 2 == 0 ? "even" : "odd",
                        x -> (rest ? x % 2 == 1 : x % by == 0) ? "even" : "odd"));
    }

    private static Script limit(Draw draw, String n) {
        int limit = draw.between(5, 90);
        String yes = draw.of(List.of("pass", "ok", "yes", "big"));
        String no = draw.of(List.of("fail", "low", "no", "small"));
        boolean edge = draw.oneIn(2);
        String condition = "if [ $" + n + " %s " + limit + " ]; then";
        List<String> lines =
                List.of(n + "=$1", condition.formatted("-ge"), "  echo " + yes, "else", "  echo " + no, "fi");
        List<Run> runs = new ArrayList<>();
        for (int value : new int[] {limit, limit - draw.between(1, 4)}) {
            boolean got = edge ? value > limit : value <= limit;
            runs.add(new Run(List.of(Integer.toString(value)), value >= limit ? yes : no, got ? yes : no));
        }
        return script(
                draw,
                draw.of(List.of("limit.sh", "grade.sh")),
                lines,
                1,
                condition.formatted(edge ? "-gt" : "-le"),
                edge ? "it left out the limit itself" : "it compared the wrong way round",
                "",
                runs);
    }

    private static Script total(Draw draw, String n) {
        String sum = draw.of(List.of("total", "sum", "result"));
        List<String> lines = List.of(
                n + "=$1",
                sum + "=0",
                "i=1",
                "while [ $i -le $" + n + " ]; do",
                "  " + sum + "=$((" + sum + " + i))",
                "  i=$((i + 1))",
                "done",
                "echo $" + sum);
        Function<Integer, Object> right = x -> x * (x + 1) / 2;
        return switch (draw.between(0, 2)) {
            case 0 ->
                script(
                        draw,
                        "total.sh",
                        lines,
                        1,
                        sum + "=1",
                        "it started at 1",
                        "",
                        numbers(draw, 2, 12, right, x -> x * (x + 1) / 2 + 1));
            case 1 ->
                script(
                        draw,
                        "total.sh",
                        lines,
                        3,
                        "while [ $i -lt $" + n + " ]; do",
                        "it stopped too early",
                        "",
                        numbers(draw, 2, 12, right, x -> x * (x - 1) / 2));
            default ->
                script(
                        draw,
                        "total.sh",
                        lines,
                        4,
                        "  " + sum + "=$((" + sum + " - i))",
                        "it subtracted the numbers",
                        "",
                        numbers(draw, 2, 12, right, x -> -x * (x + 1) / 2));
        };
    }

    private static Script factorial(Draw draw, String n) {
        String product = draw.of(List.of("product", "result", "f"));
        boolean start = draw.oneIn(2);
        List<String> lines = List.of(
                n + "=$1",
                product + "=1",
                "while [ $" + n + " -gt 1 ]; do",
                "  " + product + "=$((" + product + " * " + n + "))",
                "  " + n + "=$((" + n + " - 1))",
                "done",
                "echo $" + product);
        return script(
                draw,
                "factorial.sh",
                lines,
                start ? 1 : 3,
                start ? product + "=0" : "  " + product + "=$((" + product + " + " + n + "))",
                start ? "it started at 0" : "it added the numbers",
                "",
                numbers(draw, 2, 7, Script::factorial, x -> start ? 0 : x * (x + 1) / 2));
    }

    private static Object factorial(int n) {
        int product = 1;
        for (int i = 2; i <= n; i++) {
            product *= i;
        }
        return product;
    }

    private static Script count(Draw draw) {
        String count = draw.of(List.of("count", "c", "number"));
        String word = draw.of(List.of("word", "w", "item"));
        int start = draw.between(0, 1);
        List<String> lines = List.of(
                count + "=0",
                "for " + word + " in \"$@\"; do",
                "  " + count + "=$((" + count + " + 1))",
                "done",
                "echo $" + count);
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            int words = draw.between(2, 5);
            int got = start == 1 ? words + 1 : 2 * words;
            runs.add(new Run(draw.some(words, WORDS), Integer.toString(words), Integer.toString(got)));
        }
        return script(
                draw,
                "count.sh",
                lines,
                start == 1 ? 0 : 2,
                start == 1 ? count + "=1" : "  " + count + "=$((" + count + " + 2))",
                start == 1 ? "it started at 1" : "it added 2",
                "",
                runs);
    }

    private static Script join(Draw draw) {
        String mark = draw.of(List.of("-", "+", "/", ":", "."));
        String other = draw.of(List.of("-", "+", "/", ":", "."));
        boolean swap = draw.oneIn(2);
        List<String> lines = List.of("one=$1", "two=$2", "echo \"${one}" + mark + "${two}\"");
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            List<String> words = draw.some(2, WORDS);
            runs.add(new Run(
                    words,
                    String.join(mark, words),
                    swap ? String.join(mark, words.reversed()) : String.join(other, words)));
        }
        String wrong = swap ? "${two}" + mark + "${one}" : "${one}" + other + "${two}";
        return script(
                draw,
                "join.sh",
                lines,
                2,
                "echo \"" + wrong + "\"",
                swap ? "it swapped the words" : "the sign between the words was wrong",
                swap ? "" : "It should be %s.".formatted(mark),
                runs);
    }

    private static Script capitals(Draw draw) {
        String word = draw.of(List.of("word", "text", "w"));
        List<String> words = draw.some(2, WORDS);
        boolean same = draw.oneIn(2);
        List<String> lines = List.of(word + "=$1", "echo \"$" + word + "\" | tr a-z A-Z");
        return script(
                draw,
                "upper.sh",
                lines,
                1,
                "echo \"$" + word + "\" | tr " + (same ? "A-Z a-z" : "a-z a-z"),
                "the letters were not changed",
                "",
                words.stream()
                        .map(w -> new Run(List.of(w), w.toUpperCase(Locale.ROOT), w))
                        .toList());
    }
}
