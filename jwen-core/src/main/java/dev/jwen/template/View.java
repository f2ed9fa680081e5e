package dev.jwen.template;

/** What {@code items()}, {@code keys()} and {@code values()} of a dict return. */
record View(Dict dict, Kind kind) {
    enum Kind {
        ITEMS("dict_items"),
        KEYS("dict_keys"),
        VALUES("dict_values");

        final String typeName;

        Kind(String typeName) {
            this.typeName = typeName;
        }
    }

    Object element(Dict.Entry entry) {
        return switch (kind) {
            case ITEMS -> Tuple.of(entry.key(), entry.value());
            case KEYS -> entry.key();
            case VALUES -> entry.value();
        };
    }
}
