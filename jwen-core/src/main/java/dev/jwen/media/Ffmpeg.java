package dev.jwen.media;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The user's ffmpeg and ffprobe, which decode whatever they know.
 *
 * <p>A file is hostile until shown otherwise: only containers of video are opened, so that no playlist can name other
 * files or hosts; only the protocol {@code file} is allowed; a process that is silent for too long is killed, and none
 * outlives its clip.
 *
 * @param ffmpeg the program, by name or path
 * @param ffprobe its companion
 */
record Ffmpeg(String ffmpeg, String ffprobe) {
    static final Ffmpeg ON_PATH = new Ffmpeg("ffmpeg", "ffprobe");

    static final String HOW_TO_INSTALL = "Install it, for example with 'apt install ffmpeg' or 'brew install ffmpeg'"
            + " or from ffmpeg.org, or extract the frames as numbered pictures into a directory.";

    private static final String CONTAINERS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf";
    private static final int SILENCE_SECONDS = 120;
    private static final long MAX_COMPLAINTS = 16L << 20;

    /** Whether both programs start. */
    boolean isInstalled() {
        return starts(ffmpeg) && starts(ffprobe);
    }

    private static boolean starts(String program) {
        try {
            Process process = new ProcessBuilder(program, "-version")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try {
                return process.waitFor(SILENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
            } finally {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new MediaException("decoding was interrupted.", e);
        }
    }

    /** Opens a video file. */
    Clip open(Path file, String name) {
        Stream stream = probe(file, name);
        Limits.requireSize(name, stream.width, stream.height);
        // The packets of some codecs are not all shown; there, only decoding counts frames.
        int frames = stream.codec.equals("vp8") ? count(file, name) : stream.frames;
        if (frames == 0) {
            throw new MediaException(name + " has no frames.");
        }
        return new FfmpegClip(file, name, stream, frames);
    }

    /** What ffprobe says of the first video track. */
    private record Stream(String codec, int width, int height, double fps, int frames) {}

    private Stream probe(Path file, String name) {
        List<String> command = command(ffprobe, file);
        command.addAll(List.of("-select_streams", "V:0", "-of", "compact", "-show_entries"));
        command.add("stream=codec_name,width,height,avg_frame_rate,r_frame_rate:packet=flags");
        Map<String, String> fields = new HashMap<>();
        int frames = 0;
        try (Run run = Run.start(command, name)) {
            for (Optional<String> read = run.line(); read.isPresent(); read = run.line()) {
                String line = read.get();
                if (line.startsWith("packet|flags=")) {
                    frames += line.contains("D") ? 0 : 1; // an edit of the container leaves this one out
                } else if (line.startsWith("stream|")) {
                    for (String field : line.split("\\|", -1)) {
                        int equals = field.indexOf('=');
                        fields.put(field.substring(0, Math.max(equals, 0)), field.substring(equals + 1));
                    }
                }
            }
            run.end();
            if (fields.isEmpty()) {
                String why = run.complaint();
                throw new MediaException(
                        why.isEmpty()
                                ? name + " has no video in it."
                                : "%s is not a video that ffmpeg can read (%s).".formatted(name, why));
            }
            if (frames == 0) {
                throw new MediaException(name + " has no frames" + because(run.complaint()) + ".");
            }
        }
        double fps = fraction(fields.getOrDefault("avg_frame_rate", ""));
        return new Stream(
                fields.getOrDefault("codec_name", ""),
                number(fields.getOrDefault("width", "")),
                number(fields.getOrDefault("height", "")),
                fps > 0 ? fps : Math.max(fraction(fields.getOrDefault("r_frame_rate", "")), 0),
                frames);
    }

    private int count(Path file, String name) {
        List<String> command = command(ffprobe, file);
        command.addAll(List.of(
                "-select_streams", "V:0", "-count_frames", "-of", "csv=p=0", "-show_entries", "stream=nb_read_frames"));
        try (Run run = Run.start(command, name)) {
            Optional<String> line = run.line();
            run.end();
            return number(line.orElse("").replaceAll("\\D", ""));
        }
    }

    private static List<String> command(String program, Path file) {
        List<String> command = new ArrayList<>(List.of(program, "-v", "error"));
        command.addAll(List.of("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS));
        command.addAll(List.of("-i", "file:" + file.toAbsolutePath()));
        return command;
    }

    private static int number(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    // "30000/1001"; 0 where it is unknown, which is written 0/0.
    private static double fraction(String text) {
        int slash = text.indexOf('/');
        int over = number(text.substring(0, Math.max(slash, 0)));
        int under = number(text.substring(slash + 1));
        return over <= 0 || under <= 0 ? 0 : over / (double) under;
    }

    private static String because(String complaint) {
        String start = complaint.length() <= 200 ? complaint : complaint.substring(0, 200) + " ...";
        return complaint.isEmpty() ? "" : " (" + start + ")";
    }

    private final class FfmpegClip implements Clip {
        private final Path file;
        private final String name;
        private final Stream stream;
        private int frames;

        FfmpegClip(Path file, String name, Stream stream, int frames) {
            this.file = file;
            this.name = name;
            this.stream = stream;
            this.frames = frames;
        }

        @Override
        public int frameCount() {
            return frames;
        }

        @Override
        public double framesPerSecond() {
            return stream.fps > 0 ? stream.fps : UNKNOWN_FPS;
        }

        @Override
        public boolean read(int[] indices, Consumer<Picture> sink) {
            try (Run run = Run.start(command(indices), name)) {
                int given = 0;
                while (given < indices.length) {
                    Optional<Picture> picture = run.picture();
                    if (picture.isEmpty()) {
                        break;
                    }
                    sink.accept(picture.get());
                    given++;
                }
                if (given == indices.length) {
                    return true;
                }
                run.end();
                if (given == 0 || !run.complaint().isEmpty()) {
                    throw new MediaException("%s is cut short or damaged: %d of the %d frames wanted can be decoded%s."
                            .formatted(name, given, indices.length, because(run.complaint())));
                }
            }
            int counted = count(file, name);
            if (counted == 0 || counted >= frames) {
                throw new MediaException("%s cannot be decoded: ffmpeg counts %d frames but does not give them."
                        .formatted(name, counted));
            }
            frames = counted;
            return false;
        }

        // Frames are numbered anew, 25 a second, so that every ffmpeg writes each of them once.
        private List<String> command(int[] indices) {
            String chosen = oneOf(indices, 0, indices.length);
            List<String> command = new ArrayList<>(Ffmpeg.command(ffmpeg, file));
            command.add(1, "-nostdin");
            command.addAll(List.of("-map", "0:V:0", "-vf", "select='" + chosen + "',settb=1/25,setpts=N"));
            command.addAll(List.of("-r", "25", "-frames:v", String.valueOf(indices.length)));
            command.addAll(List.of("-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"));
            return command;
        }

        /** A sum in pairs of pairs, because ffmpeg's expressions may be about a hundred levels deep. */
        private static String oneOf(int[] indices, int from, int to) {
            if (to - from == 1) {
                return "eq(n,%d)".formatted(indices[from]);
            }
            int middle = (from + to) >>> 1;
            return "(%s+%s)".formatted(oneOf(indices, from, middle), oneOf(indices, middle, to));
        }

        @Override
        public void close() {}
    }

    /** A running program: its output to read, its complaints in a file that goes with it. */
    private static final class Run implements Closeable {
        private final Process process;
        private final String name;
        private final Path complaints;
        private final InputStream output;
        private final BufferedReader lines;

        private Run(Process process, String name, Path complaints) {
            this.process = process;
            this.name = name;
            this.complaints = complaints;
            this.output = new BufferedInputStream(process.getInputStream(), 1 << 16);
            this.lines = new BufferedReader(new InputStreamReader(output, StandardCharsets.UTF_8));
        }

        static Run start(List<String> command, String name) {
            Path complaints = null;
            try {
                complaints = Files.createTempFile("jwen-ffmpeg", ".log");
                Process process = new ProcessBuilder(command)
                        .redirectError(complaints.toFile())
                        .start();
                process.getOutputStream().close();
                return new Run(process, name, complaints);
            } catch (IOException e) {
                if (complaints != null) {
                    delete(complaints);
                }
                throw new MediaException(
                        "%s cannot be decoded: %s does not start (%s)."
                                .formatted(name, command.getFirst(), Limits.reason(e)),
                        e);
            }
        }

        private interface Reading<T> {
            Optional<T> read() throws IOException;
        }

        // A read waits as long as the program is silent; the alarm makes it end.
        private <T> Optional<T> watched(Reading<T> reading) {
            CompletableFuture<Void> alarm = CompletableFuture.runAsync(
                    process::destroyForcibly,
                    CompletableFuture.delayedExecutor(SILENCE_SECONDS, TimeUnit.SECONDS, Runnable::run));
            Optional<T> value;
            try {
                value = reading.read();
            } catch (IOException e) {
                throw alarm.cancel(false)
                        ? new MediaException("%s cannot be decoded: %s.".formatted(name, Limits.reason(e)), e)
                        : silent();
            }
            if (!alarm.cancel(false)) {
                throw silent();
            }
            return value;
        }

        private MediaException silent() {
            return new MediaException("%s cannot be decoded: ffmpeg gave nothing for %d seconds and was stopped."
                    .formatted(name, SILENCE_SECONDS));
        }

        Optional<String> line() {
            return watched(() -> Optional.ofNullable(lines.readLine()));
        }

        /** The next picture in portable pixmap format, or nothing at the end. */
        Optional<Picture> picture() {
            return watched(() -> {
                if (Files.size(complaints) > MAX_COMPLAINTS) {
                    throw new IOException("it is too damaged");
                }
                int first = output.read();
                if (first < 0) {
                    return Optional.empty();
                }
                if (first != 'P' || output.read() != '6') {
                    throw new IOException("ffmpeg wrote something that is no picture");
                }
                output.read();
                int width = decimal();
                int height = decimal();
                int most = decimal();
                if (most != 255) {
                    throw new IOException("ffmpeg wrote pictures of %d levels, expected 255".formatted(most));
                }
                Limits.requireSize(name, width, height);
                byte[] rgb = output.readNBytes(3 * width * height);
                return rgb.length < 3 * width * height
                        ? Optional.empty()
                        : Optional.of(new Picture(width, height, rgb));
            });
        }

        // A number and the white space behind it.
        private int decimal() throws IOException {
            int value = 0;
            for (int c = output.read(); c >= '0' && c <= '9'; c = output.read()) {
                value = value * 10 + c - '0';
                if (value > 1_000_000) {
                    throw new IOException("ffmpeg wrote a picture of impossible size");
                }
            }
            return value;
        }

        /** Waits until the program has ended. */
        void end() {
            try {
                if (!process.waitFor(SILENCE_SECONDS, TimeUnit.SECONDS)) {
                    throw silent();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new MediaException("decoding was interrupted.", e);
            }
        }

        /** The last thing the program complained of, without the names of files and addresses; may be empty. */
        String complaint() {
            try (InputStream in = Files.newInputStream(complaints)) {
                String text = new String(in.readNBytes(1 << 16), StandardCharsets.UTF_8).strip();
                String last = text.substring(text.lastIndexOf('\n') + 1);
                return last.replaceFirst("^(\\[[^]]*] )+", "")
                        .replaceFirst("^file:.*: ", "")
                        .strip();
            } catch (IOException e) {
                return Limits.reason(e);
            }
        }

        @Override
        public void close() {
            process.destroyForcibly();
            try {
                output.close();
                process.waitFor(SILENCE_SECONDS, TimeUnit.SECONDS); // so that no zombie is left
            } catch (IOException e) {
                throw new MediaException("%s cannot be decoded: %s.".formatted(name, Limits.reason(e)), e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                delete(complaints);
            }
        }

        private static void delete(Path file) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                file.toFile().deleteOnExit(); // held open by a virus scanner, say: it goes when Java ends
            }
        }
    }
}
