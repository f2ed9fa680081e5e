package dev.jwen.media;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** A directory of pictures, one a frame, in the order of the numbers in their names. */
record FolderClip(List<Path> files, double framesPerSecond) implements Clip {
    private static final Set<String> ENDINGS = Set.of("png", "jpg", "jpeg", "webp", "bmp", "gif");

    static FolderClip open(Path directory, double framesPerSecond) {
        try (Stream<Path> listed = Files.list(directory)) {
            List<Path> files = listed.filter(FolderClip::isFrame)
                    .sorted(Comparator.comparing(FolderClip::sortKey)
                            .thenComparing(file -> file.getFileName().toString()))
                    .toList();
            if (files.isEmpty()) {
                throw new MediaException(
                        directory + " has no frames: no file in it ends in .png, .jpg, .jpeg, .webp, .bmp or .gif.");
            }
            return new FolderClip(files, framesPerSecond);
        } catch (IOException e) {
            throw new MediaException(directory + " cannot be read: " + Limits.reason(e) + ".", e);
        }
    }

    private static boolean isFrame(Path file) {
        String name = file.getFileName().toString();
        String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return !name.startsWith(".") && ENDINGS.contains(ending) && Files.isRegularFile(file);
    }

    // Every run of digits gets its length in front, so that 9 comes before 10: "f9" → "f0019", "f10" → "f00210".
    private static String sortKey(Path file) {
        StringBuilder key = new StringBuilder();
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        int i = 0;
        while (i < name.length()) {
            int end = i;
            while (end < name.length() && name.charAt(end) >= '0' && name.charAt(end) <= '9') {
                end++;
            }
            if (end == i) {
                key.append(name.charAt(i++));
            } else {
                String digits = name.substring(i, end).replaceFirst("^0+(?=.)", "");
                key.append("0%03d".formatted(digits.length())).append(digits);
                i = end;
            }
        }
        return key.toString();
    }

    @Override
    public int frameCount() {
        return files.size();
    }

    @Override
    public boolean read(int[] indices, Consumer<Picture> sink) {
        for (int index : indices) {
            Path file = files.get(index);
            sink.accept(ImageDecoder.decode(Limits.read(file), file.toString()));
        }
        return true;
    }

    @Override
    public void close() {}
}
