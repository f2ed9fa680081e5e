package dev.jwen.template;

import java.time.LocalDateTime;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.List;

/** Writes dates as C's strftime does in the C locale, for a time without a zone. */
final class Strftime {
    private static final List<String> DAYS =
            List.of("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday");
    private static final List<String> MONTHS = List.of(
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December");

    private Strftime() {}

    static String format(Budget budget, String format, LocalDateTime time) {
        StringBuilder out = new StringBuilder();
        budget.characters(16L * format.length());
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            int start = i++;
            char flag = "-_0^#".indexOf(format.charAt(i)) >= 0 && i + 1 < format.length() ? format.charAt(i++) : ' ';
            String field = field(format.charAt(i), flag, time);
            out.append(field == null ? format.substring(start, i + 1) : flag == '^' ? Text.upper(field) : field);
        }
        return out.toString();
    }

    private static @org.jspecify.annotations.Nullable String field(char field, char flag, LocalDateTime time) {
        String day = DAYS.get(time.getDayOfWeek().getValue() - 1);
        String month = MONTHS.get(time.getMonthValue() - 1);
        return switch (field) {
            case 'a' -> day.substring(0, 3);
            case 'A' -> day;
            case 'b', 'h' -> month.substring(0, 3);
            case 'B' -> month;
            case 'c' -> all("%a %b %e %H:%M:%S %Y", time);
            case 'D', 'x' -> all("%m/%d/%y", time);
            case 'F' -> all("%Y-%m-%d", time);
            case 'R' -> all("%H:%M", time);
            case 'r' -> all("%I:%M:%S %p", time);
            case 'T', 'X' -> all("%H:%M:%S", time);
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'P' -> time.getHour() < 12 ? "am" : "pm";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            case 'z', 'Z' -> "";
            default -> number(field, flag, time);
        };
    }

    private static String all(String format, LocalDateTime time) {
        return format(new Budget(Limits.DEFAULT), format, time);
    }

    private static @org.jspecify.annotations.Nullable String number(char field, char flag, LocalDateTime time) {
        int weekday = time.getDayOfWeek().getValue();
        return switch (field) {
            case 'Y' -> Integer.toString(time.getYear());
            case 'C' -> digits(time.getYear() / 100, 2, flag);
            case 'y' -> digits(time.getYear() % 100, 2, flag);
            case 'm' -> digits(time.getMonthValue(), 2, flag);
            case 'd' -> digits(time.getDayOfMonth(), 2, flag);
            case 'e' -> digits(time.getDayOfMonth(), 2, flag == ' ' ? '_' : flag);
            case 'H' -> digits(time.getHour(), 2, flag);
            case 'k' -> digits(time.getHour(), 2, flag == ' ' ? '_' : flag);
            case 'I' -> digits(time.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2, flag);
            case 'l' -> digits(time.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2, flag == ' ' ? '_' : flag);
            case 'M' -> digits(time.getMinute(), 2, flag);
            case 'S' -> digits(time.getSecond(), 2, flag);
            case 'f' -> digits(time.getNano() / 1000, 6, ' ');
            case 'j' -> digits(time.getDayOfYear(), 3, flag);
            case 'u' -> Integer.toString(weekday);
            case 'w' -> Integer.toString(weekday % 7);
            case 'G' -> Integer.toString(time.get(IsoFields.WEEK_BASED_YEAR));
            case 'g' -> digits(time.get(IsoFields.WEEK_BASED_YEAR) % 100, 2, flag);
            case 'V' -> digits(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2, flag);
            case 'U' -> digits((time.getDayOfYear() + 6 - weekday % 7) / 7, 2, flag);
            case 'W' -> digits((time.getDayOfYear() + 6 - (weekday + 6) % 7) / 7, 2, flag);
            default -> null;
        };
    }

    private static String digits(int number, int width, char flag) {
        String digits = Integer.toString(number);
        String padding = flag == '_' ? " " : "0";
        return flag == '-' ? digits : padding.repeat(Math.max(0, width - digits.length())) + digits;
    }
}
