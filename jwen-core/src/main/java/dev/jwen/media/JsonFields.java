package dev.jwen.media;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** Typed reading of a preprocessor's settings; every complaint names the field and what was found. */
record JsonFields(Map<String, ?> fields) {
    private static final String TOGETHER = "processor_config.json";
    private static final int BICUBIC = 3;

    /** The settings in {@code file}, else those under {@code key} of processor_config.json, else none. */
    static Map<String, Object> read(Path directory, String file, String key) {
        if (Files.exists(directory.resolve(file))) {
            return parse(directory.resolve(file));
        }
        if (Files.exists(directory.resolve(TOGETHER))) {
            return new JsonFields(parse(directory.resolve(TOGETHER)))
                    .object(key)
                    .copy();
        }
        return Map.of();
    }

    private static Map<String, Object> parse(Path file) {
        try {
            Object json = JsonMapper.shared().readValue(file.toFile(), Object.class);
            if (json instanceof Map<?, ?> map) {
                return new JsonFields(strings(map)).copy();
            }
            throw new MediaException(file + ": expected a JSON object. Fetch it again from the model's page.");
        } catch (JacksonException e) {
            throw new MediaException(file + " is not JSON. Fetch it again from the model's page.", e);
        }
    }

    private static Map<String, Object> strings(Map<?, ?> map) {
        Map<String, Object> strings = new LinkedHashMap<>();
        map.forEach((key, value) -> strings.put(String.valueOf(key), value));
        return strings;
    }

    private Map<String, Object> copy() {
        return new LinkedHashMap<>(fields);
    }

    /** A nested object; empty when absent. */
    JsonFields object(String name) {
        Object value = fields.get(name);
        if (value == null) {
            return new JsonFields(Map.of());
        }
        if (value instanceof Map<?, ?> map) {
            return new JsonFields(strings(map));
        }
        throw wrong(name, "an object", value);
    }

    int count(String name, int absent) {
        Number number = number(name, absent);
        if (number.doubleValue() != number.intValue()) {
            throw wrong(name, "a whole number", number);
        }
        return number.intValue();
    }

    Number number(String name, Number absent) {
        Object value = fields.get(name);
        if (value == null) {
            return absent;
        }
        if (value instanceof Number number && Double.isFinite(number.doubleValue())) {
            return number;
        }
        throw wrong(name, "a number", value);
    }

    List<Double> numbers(String name, List<Double> absent) {
        Object value = fields.get(name);
        if (value == null) {
            return absent;
        }
        List<Double> numbers = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object element : list) {
                if (element instanceof Number number && Double.isFinite(number.doubleValue())) {
                    numbers.add(number.doubleValue());
                } else {
                    throw wrong(name, "a list of numbers", value);
                }
            }
            return numbers;
        }
        throw wrong(name, "a list of numbers", value);
    }

    /** Refuses settings that ask for another way of resizing than the one there is. */
    void requireBicubic() {
        if (number("resample", BICUBIC).intValue() != BICUBIC) {
            throw wrong("resample", "3 (bicubic)", fields.get("resample"));
        }
        for (String step : List.of("do_resize", "do_rescale", "do_normalize")) {
            if (Boolean.FALSE.equals(fields.get(step))) {
                throw wrong(step, "true", fields.get(step));
            }
        }
    }

    static void require(boolean valid, String name, String expected, Object found) {
        if (!valid) {
            throw wrong(name, expected, found);
        }
    }

    private static MediaException wrong(String name, String expected, @Nullable Object found) {
        String shown = String.valueOf(found);
        return new MediaException("picture settings: %s must be %s, found %s."
                .formatted(name, expected, shown.length() > 60 ? shown.substring(0, 60) + "…" : shown));
    }
}
