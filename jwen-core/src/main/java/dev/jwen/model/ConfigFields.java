package dev.jwen.model;

import dev.jwen.checkpoint.CheckpointException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Typed reading of one object of config.json; every complaint names the file, the field and what was found. */
record ConfigFields(String where, Map<String, Object> fields) {

    boolean has(String name) {
        return fields.get(name) != null;
    }

    /** A count between 1 and {@code most}. */
    int count(String name, int most) {
        return count(name, 1, most, null);
    }

    int count(String name, int least, int most, @Nullable Integer absent) {
        Object value = fields.get(name);
        if (value == null && absent != null) {
            return absent;
        }
        if (value instanceof Number number
                && number.doubleValue() == Math.rint(number.doubleValue())
                && number.doubleValue() >= least
                && number.doubleValue() <= most) {
            return number.intValue();
        }
        throw wrong(name, "a whole number from %d to %d".formatted(least, most), value);
    }

    double number(String name, double above, double absent) {
        Object value = fields.get(name);
        if (value == null) {
            return absent;
        }
        if (value instanceof Number number && number.doubleValue() > above && Double.isFinite(number.doubleValue())) {
            return number.doubleValue();
        }
        throw wrong(name, "a number above " + above, value);
    }

    boolean flag(String name, boolean absent) {
        Object value = fields.get(name);
        return switch (value) {
            case null -> absent;
            case Boolean flag -> flag;
            default -> throw wrong(name, "true or false", value);
        };
    }

    String text(String name, String absent) {
        Object value = fields.get(name);
        return switch (value) {
            case null -> absent;
            case String text -> text;
            default -> throw wrong(name, "a string", value);
        };
    }

    List<Integer> counts(String name, List<Integer> absent) {
        List<Integer> counts = new ArrayList<>();
        for (Object value : list(name, absent)) {
            if (!(value instanceof Number number) || number.intValue() < 0 || number.intValue() > 1_000_000) {
                throw wrong(name, "a list of small whole numbers", value);
            }
            counts.add(number.intValue());
        }
        return counts;
    }

    List<?> list(String name, List<?> absent) {
        Object value = fields.get(name);
        return switch (value) {
            case null -> absent;
            case List<?> list -> list;
            default -> throw wrong(name, "a list", value);
        };
    }

    /** A nested object; empty when absent. */
    ConfigFields object(String name) {
        Object value = fields.get(name);
        if (value == null) {
            return new ConfigFields(where, Map.of());
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw wrong(name, "an object", value);
        }
        Map<String, Object> nested = new java.util.LinkedHashMap<>();
        map.forEach((key, inner) -> nested.put(String.valueOf(key), inner));
        return new ConfigFields(where + " " + name, nested);
    }

    CheckpointException wrong(String name, String expected, @Nullable Object found) {
        String shown = String.valueOf(found);
        return new CheckpointException("%s: %s must be %s, found %s. Compare it with the config of the original model."
                .formatted(where, name, expected, shown.length() > 60 ? shown.substring(0, 60) + "…" : shown));
    }
}
