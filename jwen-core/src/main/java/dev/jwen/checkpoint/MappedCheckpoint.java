package dev.jwen.checkpoint;

import dev.jwen.tensor.Pages;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What both containers come down to once read.
 *
 * @param arena owns every mapping; closed with the checkpoint
 * @param tokenizer makes the tokenizer source when asked, as a vocabulary takes a while to decode
 */
record MappedCheckpoint(
        Arena arena,
        Path path,
        String format,
        Conventions conventions,
        Map<String, Object> config,
        Map<String, Object> generationConfig,
        @Nullable String chatTemplate,
        Supplier<@Nullable TokenizerSource> tokenizer,
        Map<String, Tensor> tensors,
        List<String> problems,
        long sizeBytes)
        implements Checkpoint {
    private static final long LOADED_AT_ONCE = 4 << 20;

    MappedCheckpoint {
        config = Collections.unmodifiableMap(config);
        generationConfig = Collections.unmodifiableMap(generationConfig);
        tensors = Collections.unmodifiableMap(tensors);
        problems = List.copyOf(problems);
        if (!tensors.containsKey("embed_tokens.weight")) {
            throw CheckpointException.in(
                    path,
                    "has no token embedding (%s), so it is part of a model, such as an adapter or an MTP layer alone. Open the full model.",
                    format.equals("GGUF") ? "token_embd.weight" : "embed_tokens.weight");
        }
        if (fitsMemory(sizeBytes)) {
            // Before the first weight is read: what is read in small pages stays in them.
            tensors.values().stream()
                    .map(Tensor::segment)
                    .filter(MemorySegment::isMapped)
                    .forEach(Pages::preferHuge);
        }
    }

    @Override
    public @Nullable TokenizerSource tokenizerSource() {
        return tokenizer.get();
    }

    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    @Override
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw CheckpointException.in(
                    path,
                    "has no tensor '%s', which the configuration calls for. The file is incomplete or of another model.",
                    name);
        }
        return tensor;
    }

    @Override
    public void load(BooleanSupplier isStopped) {
        if (!fitsMemory(sizeBytes)) {
            return;
        }
        for (Tensor tensor : tensors.values()) {
            MemorySegment segment = tensor.segment();
            for (long from = 0; segment.isMapped() && from < segment.byteSize(); from += LOADED_AT_ONCE) {
                if (isStopped.getAsBoolean()) {
                    return;
                }
                Pages.load(segment.asSlice(from, Math.min(LOADED_AT_ONCE, segment.byteSize() - from)));
            }
        }
    }

    /** Whether all of it can stay in memory beside other programs. */
    private static boolean fitsMemory(long sizeBytes) {
        return sizeBytes <= availableBytes() / 2;
    }

    /** Memory that programs can have without swapping, or 0 where the system does not say. */
    private static long availableBytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
            return lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .findFirst()
                    .orElse(0);
        } catch (IOException | UncheckedIOException e) {
            return 0;
        }
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    /** Adds a line for the tensors the network has no place for, if any. */
    static void reportUnknown(Set<String> names, List<String> problems) {
        List<String> unknown = new ArrayList<>();
        for (String name : names) {
            if (!TensorNames.isKnown(name)) {
                unknown.add(CheckpointException.clean(name));
            }
        }
        if (!unknown.isEmpty()) {
            problems.add("%d unknown tensors are not used: %s%s"
                    .formatted(
                            unknown.size(),
                            String.join(", ", unknown.subList(0, Math.min(5, unknown.size()))),
                            unknown.size() > 5 ? ", …" : ""));
        }
    }

    /** True if these values can be factors of a weight. */
    static boolean isFactor(Tensor tensor) {
        return switch (tensor.type()) {
            case F32, F16, BF16 -> true;
            default -> false;
        };
    }

    /** A tensor the network reads as a vector or matrix, freed of dimensions of one that containers add. */
    static Tensor squeeze(String name, Tensor tensor) {
        if (tensor.type().isQuantised() && !name.endsWith("shared_expert_gate.weight")) {
            return tensor;
        }
        if (name.endsWith("linear_attn.conv1d.weight") && tensor.rank() == 3) {
            // (C, 1, taps), or (C, taps, 1) in MLX conversions: the same values in the same order.
            long taps = tensor.dim(1) == 1 ? tensor.dim(2) : tensor.dim(1);
            boolean flat = tensor.dim(1) == 1 || tensor.dim(2) == 1;
            return flat ? tensor.view(tensor.dim(0), taps) : tensor;
        }
        if (name.endsWith("shared_expert_gate.weight") && tensor.rank() == 1) {
            return tensor.view(1, tensor.dim(0));
        }
        boolean isVector = name.contains("norm") || name.endsWith("A_log") || name.endsWith("dt_bias");
        if (isVector && tensor.rank() == 2 && (tensor.dim(0) == 1 || tensor.dim(1) == 1)) {
            return tensor.view(tensor.size());
        }
        return tensor;
    }
}
