package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** Times the encoding of one picture; not a test. Arguments: model, mmproj, back end, threads, side in pixels, repeats. */
final class VisionSpeed {
    private VisionSpeed() {}

    static void main(String[] args) {
        int side = Integer.parseInt(args[4]) / 16;
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
        try (Checkpoint checkpoint = Checkpoint.open(Path.of(args[0]));
                Kernels kernels = Backends.open(args[2], Integer.parseInt(args[3]));
                VisionFiles files = Objects.requireNonNull(VisionFiles.of(checkpoint, Path.of(args[1])))) {
            VisionTower tower = VisionTower.of(files, Config.of(checkpoint), kernels);
            float[] values = new float[side * side * tower.config().patchValues()];
            for (int i = 0; i < values.length; i++) {
                values[i] = random.nextFloat() * 2 - 1;
            }
            Tensor patches =
                    Tensor.f32(values, (long) side * side, tower.config().patchValues());
            for (int i = 0; i < Integer.parseInt(args[5]); i++) {
                long start = System.nanoTime();
                Tensor out = tower.encode(patches, List.of(new Grid(1, side, side)), VisionTower.Progress.NONE);
                System.out.printf(
                        "%s, %d tokens: %.0f ms%n", kernels.name(), out.rows(), (System.nanoTime() - start) / 1e6);
            }
        }
    }
}
