package dev.jwen.cli;

import dev.jwen.bench.Ceiling;
import dev.jwen.bench.KernelBench;
import dev.jwen.bench.KernelSpeed;
import dev.jwen.bench.ReadBandwidth;
import dev.jwen.bench.Roofline;
import dev.jwen.bench.TokenTraffic;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.PeakLoops;
import dev.jwen.model.Batch;
import dev.jwen.model.ParameterCount;
import dev.jwen.model.Shortlist;
import dev.jwen.model.State;
import dev.jwen.tensor.DataType;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** Measures how fast a model reads prompts and writes tokens, in the manner of llama-bench. */
@Command(
        name = "bench",
        description = "Measures reading and writing speed in tokens per second.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Each test runs once to warm up and then -r times; median and spread are printed. A test pp512 reads a prompt of 512 random tokens, tg128 writes 128 tokens one by one, @ d8192 does so after 8192 tokens. Writing computes the logits that greedy decoding needs: all that could be the largest, see --full-logits. The copy that this takes is complete before the first run. --json prints llama-bench's field names, so that its tools read it, and \"logits\": \"largest\" or \"all\".",
            "",
            "--ceiling measures what the machine can do at most: reading memory, and arithmetic on registers. With a MODEL each speed is given as a share of it: writing of the memory, reading prompts of the arithmetic. Without a MODEL, --kernels [NAME] measures each kernel by itself.",
            "",
            "Examples:",
            "  jwen bench -m qwen3.5-0.8b-q8_0.gguf",
            "  jwen bench -m qwen3.5-4b-q4_k_m.gguf -p 512,2048 -n 128 -d 0,8192 -r 3 --json",
            "  jwen bench --ceiling -m qwen3.5-4b-q4_k_m.gguf",
            "  jwen bench --kernels --roofline roofline.svg"
        })
final class BenchCommand implements Runnable {
    /** For each kernel. */
    private static final double KERNEL_SECONDS = 0.15;

    private static final double READ_SECONDS = 0.1;

    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions options = new ModelOptions();

    @Option(
            names = {"-p", "--n-prompt"},
            paramLabel = "N",
            split = ",",
            description = "Prompt lengths, 0 for none; by default 512.")
    List<Integer> prompts = List.of(512);

    @Option(
            names = {"-n", "--n-gen"},
            paramLabel = "N",
            split = ",",
            description = "Tokens to write, 0 for none; by default 128.")
    List<Integer> generations = List.of(128);

    @Option(
            names = {"-d", "--n-depth"},
            paramLabel = "N",
            split = ",",
            description = "Tokens already read before a test; by default 0.")
    List<Integer> depths = List.of(0);

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            description = "Measured runs of each test; by default 5.")
    int repetitions = 5;

    @Option(
            names = "--ceiling",
            description =
                    "Measure the limits of this machine first, by number of threads, and reading memory again between"
                            + " runs that write: a share compares with the limit of the moment.")
    boolean ceiling;

    @Option(
            names = "--types",
            paramLabel = "TYPE",
            split = ",",
            description = "Weight types whose kernels are measured; by default the common ones.")
    @Nullable
    List<DataType> types;

    @Option(
            names = "--roofline",
            paramLabel = "FILE",
            description = "Draw the measured kernels under the limits of this machine, as an SVG picture.")
    @Nullable
    Path roofline;

    @Option(names = "--json", description = "Print a JSON array, one object a test.")
    boolean json;

    // Measured when asked for.
    private @Nullable Ceiling limit;

    private @Nullable TokenTraffic traffic;
    private @Nullable ReadBandwidth bandwidth;

    /** One test, the seconds each of its runs took, and bytes that were read in a second before each and after the last. */
    @SuppressWarnings("ArrayRecordComponent") // made and read here only, never compared
    private record Result(
            int prompt, int generated, int depth, Instant when, double[] seconds, double[] readBytesPerSecond) {
        double tokensPerSecond(double second) {
            return (prompt + generated) / second;
        }

        double[] samples() {
            return Arrays.stream(seconds).map(this::tokensPerSecond).toArray();
        }

        String name() {
            return (prompt > 0 ? "pp" + prompt : "tg" + generated) + (depth > 0 ? " @ d" + depth : "");
        }
    }

    @Override
    public void run() {
        check();
        boolean kernelsAlone = options.kernels != null && (options.model == null || options.kernels.isEmpty());
        if (roofline != null && !kernelsAlone) {
            throw new CommandException("--roofline draws what --kernels measures; add --kernels and leave out -m");
        }
        if (types != null && !kernelsAlone) {
            throw new CommandException("--types chooses among what --kernels measures; add --kernels and leave out -m");
        }
        if (types != null && !types.stream().allMatch(DataType::isFloating)) {
            throw new CommandException("--types takes types of weights; %s holds something else"
                    .formatted(types.stream()
                            .filter(type -> !type.isFloating())
                            .findFirst()
                            .orElseThrow()));
        }
        if (kernelsAlone && options.model != null) {
            throw new CommandException(
                    "--kernels without a name measures kernels and needs no model; leave out -m, or name kernels to run it with");
        }
        if (kernelsAlone && hasModelOptions()) {
            throw new CommandException(
                    "-p, -n, -d and -r are of runs of a model; add -m MODEL to run it with these kernels, or leave them out");
        }
        if (kernelsAlone) {
            measureKernels();
        } else if (options.model == null && ceiling) {
            measureCeilings();
        } else if (Stream.concat(prompts.stream(), generations.stream()).allMatch(count -> count == 0)) {
            throw new CommandException("nothing to measure: -p and -n are 0");
        } else {
            measureModel();
        }
    }

    /** The limits for 1 thread to those of the kernels; printed unless as JSON with something else. */
    private static List<Ceiling> ceilings(PeakLoops loops, int threads) {
        List<Ceiling> ceilings = new ArrayList<>();
        for (int t = 1; t <= threads; t = t < threads && 2 * t > threads ? threads : 2 * t) {
            ceilings.add(Ceiling.measure(loops, t));
        }
        return ceilings;
    }

    private static PeakLoops peakLoops() {
        return Backends.peakLoops()
                .orElseThrow(
                        () -> new CommandException(
                                "the limits of this machine cannot be measured: neither the x86 nor the vector kernels run here"));
    }

    private void measureCeilings() {
        try (Kernels kernels = options.openKernels();
                PeakLoops loops = peakLoops()) {
            List<Ceiling> ceilings = ceilings(loops, kernels.threads());
            if (json) {
                Output.json(out(), ceilings.stream().map(BenchTables::record).toList());
            } else {
                BenchTables.ceiling(out(), ceilings);
            }
        }
    }

    private void measureKernels() {
        options.kernels = "".equals(options.kernels) ? null : options.kernels;
        PrintWriter out = out();
        if (roofline != null) {
            Output.checkWritable("--roofline", roofline);
        }
        try (Kernels kernels = options.openKernels();
                PeakLoops loops = peakLoops()) {
            List<Ceiling> ceilings = ceilings(loops, kernels.threads());
            Ceiling limit = ceilings.getLast();
            List<KernelSpeed> speeds = new ArrayList<>();
            if (!json) {
                out.println("kernels " + options.kernelsChoice() + ", " + kernels.threads() + " threads");
                BenchTables.ceiling(out, ceilings);
                BenchTables.kernelHeading(out);
            }
            new KernelBench(kernels, options.isExact(), KERNEL_SECONDS, speed -> {
                        speeds.add(speed);
                        if (!json) {
                            BenchTables.kernel(out, speed, limit);
                        }
                    })
                    .run(types == null ? KernelBench.TYPES : types);
            if (json) {
                Map<String, Object> record = new LinkedHashMap<>();
                record.put("backends", kernels.name());
                record.put(
                        "ceilings", ceilings.stream().map(BenchTables::record).toList());
                record.put(
                        "kernels",
                        speeds.stream()
                                .map(speed -> BenchTables.record(speed, limit))
                                .toList());
                Output.json(out, record);
            }
            if (roofline != null) {
                String title = "%s kernels, %s".formatted(kernels.name(), Units.counted(kernels.threads(), "thread"));
                write(roofline, Roofline.svg(title, limit, speeds));
            }
        }
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw Output.cannotWrite("--roofline", file, e);
        }
    }

    private PrintWriter out() {
        return Objects.requireNonNull(spec).commandLine().getOut();
    }

    private PrintWriter err() {
        return Objects.requireNonNull(spec).commandLine().getErr();
    }

    private void measureModel() {
        long start = System.nanoTime();
        try (ModelOptions.Network opened = options.openNetwork()) {
            double loadMillis = (System.nanoTime() - start) / 1e6;
            if (!ceiling) {
                measureModel(opened, loadMillis);
                return;
            }
            int threads = opened.kernels().threads();
            try (PeakLoops loops = peakLoops()) {
                List<Ceiling> ceilings = ceilings(loops, threads);
                limit = ceilings.getLast();
                traffic = TokenTraffic.of(
                                opened.checkpoint(), opened.network().config(), opened.kvType(), options.isExact())
                        .saving(allLogits() ? 0 : (double) opened.network().coarseSavingBytes());
                if (!json) {
                    BenchTables.ceiling(out(), ceilings);
                }
                try (ReadBandwidth reads = new ReadBandwidth(loops, threads)) {
                    bandwidth = reads;
                    measureModel(opened, loadMillis);
                }
            }
        }
    }

    private void measureModel(ModelOptions.Network opened, double loadMillis) {
        remarkLength(opened);
        PrintWriter out = out();
        ParameterCount count =
                ParameterCount.of(opened.checkpoint(), opened.network().config());
        if (!json) {
            out.printf(
                    "%s, %s, %,d parameters, %s, opened in %.0f ms%nkernels %s%n%n",
                    opened.checkpoint().path().getFileName(),
                    Units.bytes(opened.checkpoint().sizeBytes()),
                    count.text(),
                    Units.counted(opened.kernels().threads(), "thread"),
                    loadMillis,
                    options.kernelsChoice());
            out.printf(
                    "%-18s %12s %24s%s%n",
                    "test", "tokens/s", "lowest - highest", limit == null ? "" : "  share of the limit");
            out.flush();
        }
        List<Map<String, Object>> records = new ArrayList<>();
        for (int depth : depths) {
            State deep = read(opened, opened.newState(), depth);
            for (int prompt : prompts) {
                if (prompt > 0) {
                    finish(out, records, opened, count, loadMillis, measure(opened, deep, prompt, 0, depth));
                }
            }
            for (int generated : generations) {
                if (generated > 0) {
                    finish(out, records, opened, count, loadMillis, measure(opened, deep, 0, generated, depth));
                }
            }
        }
        if (json) {
            Output.json(out, records);
        } else {
            out.printf(
                    "%npeak memory %s%s%n",
                    Units.bytes(peakBytes()), bandwidth == null ? "" : ", 512 MiB of it to measure the bandwidth with");
            out.flush();
        }
    }

    /** Speeds can be measured beyond what a model was made for; whoever asks for it should know. */
    private void remarkLength(ModelOptions.Network opened) {
        int trained = opened.network().config().maxPositionEmbeddings();
        long longest =
                (long) Collections.max(depths) + Math.max(Collections.max(prompts), Collections.max(generations));
        if (longest > trained) {
            err().printf(
                            "jwen: %,d tokens are more than the %,d that this model was made for; measuring them anyway%n",
                            longest, trained);
            err().flush();
        }
    }

    /** Whether options are given that say what a model reads and writes. */
    private boolean hasModelOptions() {
        ParseResult given = Objects.requireNonNull(spec).commandLine().getParseResult();
        return Stream.of("-p", "-n", "-d", "-r").anyMatch(given::hasMatchedOption);
    }

    private void check() {
        if (repetitions < 1) {
            throw new CommandException("-r must be at least 1, found " + repetitions);
        }
        for (List<Integer> counts : List.of(prompts, generations, depths)) {
            for (int count : counts) {
                if (count < 0 || count > 10_000_000) {
                    throw new CommandException("-p, -n and -d are counts of tokens from 0 on, found " + count);
                }
            }
        }
    }

    private Result measure(ModelOptions.Network opened, State deep, int prompt, int generated, int depth) {
        if (generated > 0 && !allLogits()) {
            opened.network().completeCoarseCopy();
        }
        Instant when = Instant.now().truncatedTo(ChronoUnit.SECONDS);
        try (State state = deep.fork()) {
            run(opened, state, prompt, generated);
        }
        double[] seconds = new double[repetitions];
        double[] reads = new double[repetitions + 1];
        for (int r = 0; r < repetitions; r++) {
            reads[r] = readBytesPerSecond(generated);
            try (State state = deep.fork()) {
                long start = System.nanoTime();
                run(opened, state, prompt, generated);
                seconds[r] = (System.nanoTime() - start) / 1e9;
            }
        }
        reads[repetitions] = readBytesPerSecond(generated);
        return new Result(prompt, generated, depth, when, seconds, reads);
    }

    /** The limit of memory now, where tokens are written and shares are asked for. */
    private double readBytesPerSecond(int generated) {
        return bandwidth == null || generated == 0 ? 0 : bandwidth.measure(READ_SECONDS);
    }

    private void run(ModelOptions.Network opened, State state, int prompt, int generated) {
        read(opened, state, prompt);
        Shortlist largest = Shortlist.largest(1, opened.network().config().vocabSize());
        int[] token = new int[1];
        SplittableRandom random = new SplittableRandom(state.length());
        for (int i = 0; i < generated; i++) {
            token[0] = random.nextInt(opened.network().config().vocabSize());
            Batch batch = new Batch();
            batch.add(state, token, Batch.Logits.LAST);
            if (!allLogits()) {
                batch.shorten(largest);
            }
            opened.network().forward(batch);
        }
    }

    /** Whether every logit of a written token is computed, as with the same options in an answer. */
    private boolean allLogits() {
        return options.exact || options.fullLogits;
    }

    /** Reads {@code count} random tokens; only the last of them gets logits, as in a real prompt. */
    private static State read(ModelOptions.Network opened, State state, int count) {
        int vocabulary = opened.network().config().vocabSize();
        SplittableRandom random = new SplittableRandom(count);
        for (int done = 0; done < count; ) {
            int tokens = Math.min(opened.network().promptTokens(), count - done);
            int[] ids = random.ints(tokens, 0, vocabulary).toArray();
            done += ids.length;
            Batch batch = new Batch();
            batch.add(state, ids, done == count ? Batch.Logits.LAST : Batch.Logits.NONE);
            opened.network().forward(batch);
        }
        return state;
    }

    private void finish(
            PrintWriter out,
            List<Map<String, Object>> records,
            ModelOptions.Network opened,
            ParameterCount count,
            double loadMillis,
            Result result) {
        double[] samples = result.samples();
        double[] sorted = samples.clone();
        Arrays.sort(sorted);
        Double share = share(result);
        if (!json) {
            out.printf(
                    "%-18s %12.2f %24s%s%n",
                    result.name(),
                    median(sorted),
                    "%.2f - %.2f".formatted(sorted[0], sorted[sorted.length - 1]),
                    share == null
                            ? ""
                            : "  %3.0f %% of %s".formatted(100 * share, result.prompt > 0 ? "arithmetic" : "memory"));
            out.flush();
        }
        double mean = Arrays.stream(samples).average().orElse(0);
        double meanNanos = Arrays.stream(result.seconds).average().orElse(0) * 1e9;
        double[] nanos = Arrays.stream(result.seconds).map(s -> s * 1e9).toArray();
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("model_filename", opened.checkpoint().path().toString());
        record.put("model_type", String.valueOf(opened.checkpoint().config().get("model_type")));
        record.put("model_size", opened.checkpoint().sizeBytes());
        record.put("model_n_params", count.text());
        record.put("n_batch", opened.network().promptTokens());
        record.put("n_threads", opened.kernels().threads());
        record.put("backends", opened.kernels().name());
        record.put("type_k", opened.kvType().name().toLowerCase(java.util.Locale.ROOT));
        record.put("type_v", opened.kvType().name().toLowerCase(java.util.Locale.ROOT));
        record.put("n_prompt", result.prompt);
        record.put("n_gen", result.generated);
        record.put("n_depth", result.depth);
        record.put("logits", allLogits() ? "all" : "largest");
        record.put("test_time", result.when.toString());
        record.put("avg_ns", Math.round(meanNanos));
        record.put("stddev_ns", Math.round(deviation(nanos, meanNanos)));
        record.put("avg_ts", mean);
        record.put("stddev_ts", deviation(samples, mean));
        record.put("samples_ns", Arrays.stream(nanos).mapToLong(Math::round).toArray());
        record.put("samples_ts", samples);
        record.put("median_ts", median(sorted));
        if (share != null) {
            record.put(result.prompt > 0 ? "share_of_arithmetic" : "share_of_memory", share);
            if (result.generated > 0) {
                record.put("read_bytes_per_second", result.readBytesPerSecond);
            }
        }
        record.put("load_ms", loadMillis);
        record.put("peak_memory_bytes", peakBytes());
        records.add(record);
    }

    /** Part of the limit of the machine that the speed was, the median; null where the limit was not asked for. */
    private @Nullable Double share(Result result) {
        if (limit == null || traffic == null) {
            return null;
        }
        double[] samples = result.samples();
        for (int r = 0; r < samples.length; r++) {
            double depth = result.depth + result.generated / 2.0;
            double reads = (result.readBytesPerSecond[r] + result.readBytesPerSecond[r + 1]) / 2;
            samples[r] = result.prompt > 0
                    ? traffic.promptShare(samples[r], limit)
                    : traffic.decodeShare(samples[r], depth, reads);
        }
        Arrays.sort(samples);
        return median(samples);
    }

    private static double median(double[] sorted) {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static double deviation(double[] samples, double mean) {
        double squares =
                Arrays.stream(samples).map(s -> (s - mean) * (s - mean)).sum();
        return samples.length < 2 ? 0 : Math.sqrt(squares / (samples.length - 1));
    }

    /** Largest resident size of this process, mapped weights included; -1 where the system does not say. */
    private static long peakBytes() {
        Path status = Path.of("/proc/self/status");
        if (!Files.isReadable(status)) {
            return -1;
        }
        try {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
            return -1;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
