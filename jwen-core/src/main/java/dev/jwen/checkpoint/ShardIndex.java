package dev.jwen.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** The index of a sharded checkpoint, which says in which file each tensor is. */
final class ShardIndex {
    private ShardIndex() {}

    /** Tensor names by file name, both in the order of the index; every file name is a plain one. */
    static Map<String, Set<String>> read(Path index) {
        if (!(Json.object(index).get("weight_map") instanceof Map<?, ?> map) || map.isEmpty()) {
            throw CheckpointException.damaged(
                    index, "expected an object named weight_map with the file of each tensor");
        }
        Map<String, Set<String>> shards = new LinkedHashMap<>();
        map.forEach((name, file) -> shards.computeIfAbsent(plainName(index, file), f -> new LinkedHashSet<>())
                .add((String) name));
        return shards;
    }

    private static String plainName(Path index, Object file) {
        // An index that came with a download must not make us read elsewhere on this disk.
        if (file instanceof String name
                && name.endsWith(".safetensors")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ')) {
            return name;
        }
        throw CheckpointException.in(
                index,
                "names the file '%s', expected a .safetensors file of the same directory. Fetch it again from a source you trust.",
                String.valueOf(file));
    }
}
