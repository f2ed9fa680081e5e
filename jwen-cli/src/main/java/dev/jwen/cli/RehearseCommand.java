package dev.jwen.cli;

import dev.jwen.checkpoint.GgufWriter;
import dev.jwen.kernel.Backends;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;

/**
 * Runs the other commands once on a model of a few kilobytes, so that the JVM can note which classes a start needs.
 *
 * <p>The launcher calls it when it makes the AOT cache (JEP 483). The kernels are the plain ones in every command, and those
 * of machine code are called apart: the JVM makes no cache at all once a class of the Vector API was there, because its
 * module is loaded on demand.
 */
@Command(name = "rehearse", hidden = true, description = "Runs the other commands on a tiny model.")
final class RehearseCommand implements Runnable {
    static final int HIDDEN = 32;
    private static final int VALUES = 2 * 16; // value heads of the delta net × their width

    /** What published templates are made of: macros, namespaces, loops, tests, filters and methods of strings. */
    private static final String TEMPLATE = """
            {%- macro text(content) %}{{ content if content is string else '' }}{% endmacro %}
            {%- set ns = namespace(last=messages|length - 1) %}
            {%- for message in messages %}
            {%- set content = text(message.content)|trim %}
            {%- if message.role == "user" or loop.first and not loop.index0 < 0 %}
            {{- '<|im_start|>' + message.role + '\\n' + content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}
            {%- endif %}{%- endfor %}
            {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}
            {%- if enable_thinking is defined and enable_thinking is false %}{{- '\\n</think>\\n\\n' }}{% endif %}
            {%- endif %}
            """;

    @Override
    public void run() {
        String kernels = System.getProperty(Backends.PROPERTY);
        System.setProperty(Backends.PROPERTY, "plain");
        try {
            Path file = Files.createTempFile("jwen-rehearsal", ".gguf");
            try {
                GgufWriter.write(file, metadata(TEMPLATE), tensors());
                String model = file.toString();
                rehearse("--help");
                Backends.rehearse();
                rehearse("inspect", model);
                rehearse("run", "-m", model, "-n", "3", "hello");
                rehearse("run", "-m", model, "-n", "3", "--no-think", "hello");
                rehearse("run", "-m", model, "-n", "3", "--tools", "calculator", "hello");
                rehearse("run", "-m", model, "-n", "3", "--raw", "--json", "hello");
            } finally {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            if (kernels == null) {
                System.clearProperty(Backends.PROPERTY);
            } else {
                System.setProperty(Backends.PROPERTY, kernels);
            }
        }
    }

    private static void rehearse(String... arguments) {
        StringWriter err = new StringWriter();
        int exit = Main.commandLine(arguments)
                .setOut(new PrintWriter(Writer.nullWriter()))
                .setErr(new PrintWriter(err))
                .execute(arguments);
        if (exit != 0) {
            throw new IllegalStateException("rehearsing %s failed: %s".formatted(List.of(arguments), err));
        }
    }

    /** One layer of each kind, all weights zero. */
    static Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        put(tensors, "token_embd.weight", tokens().size(), HIDDEN);
        put(tensors, "output_norm.weight", HIDDEN);
        for (String layer : List.of("blk.0.", "blk.1.")) {
            put(tensors, layer + "attn_norm.weight", HIDDEN);
            put(tensors, layer + "post_attention_norm.weight", HIDDEN);
            put(tensors, layer + "ffn_gate.weight", HIDDEN, HIDDEN);
            put(tensors, layer + "ffn_up.weight", HIDDEN, HIDDEN);
            put(tensors, layer + "ffn_down.weight", HIDDEN, HIDDEN);
        }
        put(tensors, "blk.0.attn_qkv.weight", 2 * VALUES, HIDDEN);
        put(tensors, "blk.0.attn_gate.weight", VALUES, HIDDEN);
        put(tensors, "blk.0.ssm_beta.weight", 2, HIDDEN);
        put(tensors, "blk.0.ssm_alpha.weight", 2, HIDDEN);
        put(tensors, "blk.0.ssm_conv1d.weight", 2 * VALUES, 4);
        put(tensors, "blk.0.ssm_a", 2);
        put(tensors, "blk.0.ssm_dt.bias", 2);
        put(tensors, "blk.0.ssm_norm.weight", VALUES / 2);
        put(tensors, "blk.0.ssm_out.weight", HIDDEN, VALUES);
        put(tensors, "blk.1.attn_q.weight", 2 * HIDDEN, HIDDEN);
        put(tensors, "blk.1.attn_k.weight", HIDDEN, HIDDEN);
        put(tensors, "blk.1.attn_v.weight", HIDDEN, HIDDEN);
        put(tensors, "blk.1.attn_output.weight", HIDDEN, HIDDEN);
        put(tensors, "blk.1.attn_q_norm.weight", HIDDEN);
        put(tensors, "blk.1.attn_k_norm.weight", HIDDEN);
        return tensors;
    }

    private static void put(Map<String, Tensor> tensors, String name, long... shape) {
        tensors.put(name, Tensor.f32(shape));
    }

    static Map<String, Object> metadata(String template) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("general.architecture", "qwen35");
        map.put("qwen35.block_count", 2);
        map.put("qwen35.context_length", 4096);
        map.put("qwen35.embedding_length", HIDDEN);
        map.put("qwen35.feed_forward_length", HIDDEN);
        map.put("qwen35.attention.head_count", 1);
        map.put("qwen35.attention.head_count_kv", 1);
        map.put("qwen35.attention.key_length", HIDDEN);
        map.put("qwen35.attention.value_length", HIDDEN);
        map.put("qwen35.attention.layer_norm_rms_epsilon", 1e-6f);
        map.put("qwen35.rope.freq_base", 1e7f);
        map.put("qwen35.rope.dimension_count", 8);
        map.put("qwen35.rope.dimension_sections", List.of(2, 1, 1, 0));
        map.put("qwen35.full_attention_interval", 2);
        map.put("qwen35.ssm.conv_kernel", 4);
        map.put("qwen35.ssm.state_size", VALUES / 2);
        map.put("qwen35.ssm.group_count", 1);
        map.put("qwen35.ssm.time_step_rank", 2);
        map.put("qwen35.ssm.inner_size", VALUES);
        List<String> tokens = tokens();
        List<Integer> types = new ArrayList<>(Collections.nCopies(tokens.size(), 1));
        Collections.fill(types.subList(tokens.size() - 5, tokens.size()), 3);
        map.put("tokenizer.ggml.model", "gpt2");
        map.put("tokenizer.ggml.pre", "qwen35");
        map.put("tokenizer.ggml.tokens", tokens);
        map.put("tokenizer.ggml.token_type", types);
        map.put("tokenizer.ggml.merges", List.of("l l", "h e"));
        map.put("tokenizer.chat_template", template);
        return map;
    }

    /** Each byte in the printable alphabet of byte-level BPE, what the merges make, and the added tokens. */
    static List<String> tokens() {
        List<String> tokens = new ArrayList<>();
        int moved = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b > ' ' && b < 0x7f) || (b > 0xa0 && b != 0xad);
            tokens.add(Character.toString(printable ? b : moved++));
        }
        tokens.addAll(List.of("ll", "he", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"));
        return tokens;
    }
}
