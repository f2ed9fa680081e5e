package dev.jwen.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** From the names a file uses to the names of {@link Checkpoint}. */
final class TensorNames {
    /** Longest first: multimodal releases, MLX conversions, text-only files. */
    private static final List<String> PREFIXES =
            List.of("model.language_model.", "language_model.model.", "language_model.", "model.");

    private static final String ATTENTION = "self_attn\\.([qkvo]_proj|[qk]_norm)\\.weight";
    private static final String DELTA_NET =
            "linear_attn\\.((in_proj_(qkv|z|b|a)|out_proj|conv1d|norm)\\.weight|A_log|dt_bias)";
    private static final String FEED_FORWARD =
            "mlp\\.((shared_expert\\.|experts\\.\\d+\\.)?(gate|up|down)_proj\\.weight"
                    + "|(gate|shared_expert_gate)\\.weight|experts\\.(gate_up|gate|up|down)_proj)";
    private static final String LAYER_NORM = "(input|post_attention)_layernorm\\.weight";
    private static final Pattern KNOWN = Pattern.compile("(embed_tokens|norm|lm_head)\\.weight"
            + "|layers\\.\\d+\\.(" + String.join("|", ATTENTION, DELTA_NET, FEED_FORWARD, LAYER_NORM) + ")"
            + "|mtp\\.(fc|norm|pre_fc_norm_embedding|pre_fc_norm_hidden|embed_tokens|lm_head)\\.weight"
            + "|mtp\\.layers\\.0\\.(" + String.join("|", ATTENTION, FEED_FORWARD, LAYER_NORM) + ")"
            + "|visual\\..+");

    private static final Pattern GGUF_BLOCK = Pattern.compile("blk\\.(\\d{1,5})\\.(.+)");

    private static final Map<String, String> GGUF_GLOBAL = Map.of(
            "token_embd.weight", "embed_tokens.weight",
            "output_norm.weight", "norm.weight",
            "output.weight", "lm_head.weight");

    private static final Map<String, String> GGUF_LAYER = Map.ofEntries(
            Map.entry("attn_norm.weight", "input_layernorm.weight"),
            Map.entry("post_attention_norm.weight", "post_attention_layernorm.weight"),
            Map.entry("attn_q.weight", "self_attn.q_proj.weight"),
            Map.entry("attn_k.weight", "self_attn.k_proj.weight"),
            Map.entry("attn_v.weight", "self_attn.v_proj.weight"),
            Map.entry("attn_output.weight", "self_attn.o_proj.weight"),
            Map.entry("attn_q_norm.weight", "self_attn.q_norm.weight"),
            Map.entry("attn_k_norm.weight", "self_attn.k_norm.weight"),
            Map.entry("attn_qkv.weight", "linear_attn.in_proj_qkv.weight"),
            Map.entry("attn_gate.weight", "linear_attn.in_proj_z.weight"),
            Map.entry("ssm_beta.weight", "linear_attn.in_proj_b.weight"),
            Map.entry("ssm_alpha.weight", "linear_attn.in_proj_a.weight"),
            Map.entry("ssm_a", "linear_attn.A_log"),
            Map.entry("ssm_dt.bias", "linear_attn.dt_bias"),
            Map.entry("ssm_conv1d.weight", "linear_attn.conv1d.weight"),
            Map.entry("ssm_norm.weight", "linear_attn.norm.weight"),
            Map.entry("ssm_out.weight", "linear_attn.out_proj.weight"),
            Map.entry("ffn_gate.weight", "mlp.gate_proj.weight"),
            Map.entry("ffn_up.weight", "mlp.up_proj.weight"),
            Map.entry("ffn_down.weight", "mlp.down_proj.weight"),
            Map.entry("ffn_gate_inp.weight", "mlp.gate.weight"),
            Map.entry("ffn_gate_exps.weight", "mlp.experts.gate_proj"),
            Map.entry("ffn_up_exps.weight", "mlp.experts.up_proj"),
            Map.entry("ffn_gate_up_exps.weight", "mlp.experts.gate_up_proj"),
            Map.entry("ffn_down_exps.weight", "mlp.experts.down_proj"),
            Map.entry("ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight"),
            Map.entry("ffn_gate_shexp.weight", "mlp.shared_expert.gate_proj.weight"),
            Map.entry("ffn_up_shexp.weight", "mlp.shared_expert.up_proj.weight"),
            Map.entry("ffn_down_shexp.weight", "mlp.shared_expert.down_proj.weight"));

    private static final Map<String, String> GGUF_NEXTN = Map.of(
            "nextn.eh_proj.weight", "mtp.fc.weight",
            "nextn.enorm.weight", "mtp.pre_fc_norm_embedding.weight",
            "nextn.hnorm.weight", "mtp.pre_fc_norm_hidden.weight",
            "nextn.shared_head_norm.weight", "mtp.norm.weight",
            "nextn.embed_tokens.weight", "mtp.embed_tokens.weight",
            "nextn.shared_head_head.weight", "mtp.lm_head.weight");

    private TensorNames() {}

    /** A safetensors name without the prefix its release uses. */
    static String ofSafetensors(String name) {
        for (String prefix : PREFIXES) {
            if (name.startsWith(prefix)) {
                return name.substring(prefix.length());
            }
        }
        return name;
    }

    /**
     * The safetensors name of a GGUF tensor, or the name itself if there is none.
     *
     * @param layers layers of the trunk; the block after them is the MTP layer
     */
    static String ofGguf(String name, long layers) {
        Matcher block = GGUF_BLOCK.matcher(name);
        if (!block.matches()) {
            return GGUF_GLOBAL.getOrDefault(name, name);
        }
        long layer = Long.parseLong(block.group(1));
        String inLayer = GGUF_LAYER.get(block.group(2));
        if (layer < layers) {
            return inLayer == null ? name : "layers." + layer + "." + inLayer;
        }
        String inMtp = layer > layers ? null : inMtpLayer(block.group(2), inLayer);
        return inMtp == null ? name : inMtp;
    }

    private static @Nullable String inMtpLayer(String suffix, @Nullable String inLayer) {
        return inLayer == null ? GGUF_NEXTN.get(suffix) : "mtp.layers.0." + inLayer;
    }

    /** True if the network has a place for a tensor of this name. */
    static boolean isKnown(String canonical) {
        return KNOWN.matcher(canonical).matches();
    }
}
