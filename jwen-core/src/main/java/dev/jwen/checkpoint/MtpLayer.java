package dev.jwen.checkpoint;

import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The multi-token-prediction layer of a checkpoint: whole, or as if absent. Some converters write only parts of it, and
 * part of a layer cannot draft.
 */
final class MtpLayer {
    private static final String LAYER = "mtp.layers.0.";

    private static final List<String> ALWAYS = List.of(
            "mtp.fc.weight",
            "mtp.norm.weight",
            "mtp.pre_fc_norm_embedding.weight",
            "mtp.pre_fc_norm_hidden.weight",
            LAYER + "input_layernorm.weight",
            LAYER + "post_attention_layernorm.weight",
            LAYER + "self_attn.q_proj.weight",
            LAYER + "self_attn.k_proj.weight",
            LAYER + "self_attn.v_proj.weight",
            LAYER + "self_attn.o_proj.weight",
            LAYER + "self_attn.q_norm.weight",
            LAYER + "self_attn.k_norm.weight");

    private static final List<String> DENSE =
            List.of("mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight");

    private static final List<String> MOE = List.of(
            "mlp.gate.weight",
            "mlp.shared_expert_gate.weight",
            "mlp.shared_expert.gate_proj.weight",
            "mlp.shared_expert.up_proj.weight",
            "mlp.shared_expert.down_proj.weight");

    private MtpLayer() {}

    /**
     * Removes what there is of an incomplete layer and makes {@code mtp_num_hidden_layers} say what is left.
     *
     * @param tensors by canonical name; changed
     * @param config in the words of config.json; changed
     * @param problems gains a line if the layer is announced but absent, or incomplete
     */
    static void keepOnlyIfWhole(Map<String, Tensor> tensors, Map<String, Object> config, List<String> problems) {
        boolean announced = config.get("mtp_num_hidden_layers") instanceof Long layers && layers > 0;
        boolean present = tensors.keySet().stream().anyMatch(name -> name.startsWith("mtp."));
        List<String> missing = present ? missing(tensors, config) : List.of();
        if (present && missing.isEmpty()) {
            config.put("mtp_num_hidden_layers", 1L);
            return;
        }
        if (present) {
            problems.add("the MTP layer is incomplete and not used; missing: %s"
                    .formatted(String.join(", ", missing.subList(0, Math.min(8, missing.size())))));
        } else if (announced) {
            problems.add("the configuration announces an MTP layer, but the files hold none of its tensors");
        }
        tensors.keySet().removeIf(name -> name.startsWith("mtp."));
        config.put("mtp_num_hidden_layers", 0L);
    }

    private static List<String> missing(Map<String, Tensor> tensors, Map<String, Object> config) {
        List<String> needed = new ArrayList<>(ALWAYS);
        if (config.get("num_experts") instanceof Long experts && experts > 0) {
            MOE.forEach(name -> needed.add(LAYER + name));
            needed.addAll(experts(tensors, experts));
        } else {
            DENSE.forEach(name -> needed.add(LAYER + name));
        }
        needed.removeIf(tensors::containsKey);
        return needed;
    }

    /** The expert weights this layer needs in the layout it began: fused, one stack per matrix, or one by one. */
    private static List<String> experts(Map<String, Tensor> tensors, long count) {
        String experts = LAYER + "mlp.experts.";
        if (tensors.containsKey(experts + "gate_up_proj")) {
            return List.of(experts + "gate_up_proj", experts + "down_proj");
        }
        if (!tensors.containsKey(experts + "0.gate_proj.weight")) {
            return List.of(experts + "gate_proj", experts + "up_proj", experts + "down_proj");
        }
        List<String> names = new ArrayList<>();
        // One more than there are tensors is enough to find one missing, however many the config claims.
        for (long e = 0; e < Math.min(count, tensors.size()); e++) {
            for (String matrix : List.of("gate", "up", "down")) {
                names.add(experts + e + "." + matrix + "_proj.weight");
            }
        }
        return names;
    }
}
