package dev.jwen.train;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.media.ImageConfig;
import dev.jwen.media.VideoConfig;
import dev.jwen.model.Config;
import dev.jwen.model.Grid;
import dev.jwen.model.RopeParameters;
import dev.jwen.model.VisionConfig;
import dev.jwen.tensor.DataType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Everything in the directory of a checkpoint but its tensors, as Qwen 3.5 is published: config.json,
 * generation_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja and, if the model sees,
 * preprocessor_config.json and video_preprocessor_config.json.
 *
 * {@snippet :
 * new CheckpointFiles(config, DataType.F32, vocabulary, chatTemplate, sight).write(directory);
 * SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
 * }
 *
 * @param config the text model; its {@code vocabSize} may exceed the vocabulary, the rows above are padding
 * @param dataType F32, BF16 or F16, what the tensors are stored as
 * @param chatTemplate Jinja
 * @param sight null for a model of text alone
 */
public record CheckpointFiles(
        Config config,
        DataType dataType,
        TrainedVocabulary vocabulary,
        String chatTemplate,
        @Nullable Sight sight) {

    /**
     * How a model sees.
     *
     * @param pictures with the least and the greatest number of pixels, see {@link ImageConfig#withPixels}
     * @param videos likewise, all frames of a clip together
     */
    public record Sight(VisionConfig tower, ImageConfig pictures, VideoConfig videos) {
        public Sight {
            require(
                    pictures.patchSize() == tower.patchSize()
                            && pictures.temporalPatchSize() == tower.temporalPatchSize()
                            && pictures.mergeSize() == Grid.MERGE,
                    "the patches of the picture processor are not those of the tower");
            require(
                    videos.frames().patchSize() == tower.patchSize()
                            && videos.frames().temporalPatchSize() == tower.temporalPatchSize()
                            && videos.frames().mergeSize() == Grid.MERGE,
                    "the patches of the video processor are not those of the tower");
        }
    }

    /** Refuses parts that do not fit each other. */
    public CheckpointFiles {
        require(
                config.vocabSize() >= vocabulary.size(),
                "the model has %d rows for a vocabulary of %d tokens, expected at least as many"
                        .formatted(config.vocabSize(), vocabulary.size()));
        require(!config.valueHeadsTiled(), "the value heads are tiled, as they are in GGUF files only");
        require(
                dataType == DataType.F32 || dataType == DataType.BF16 || dataType == DataType.F16,
                "tensors of type %s, expected F32, BF16 or F16".formatted(dataType));
        require(
                sight == null || sight.tower.outHiddenSize() == config.hiddenSize(),
                "the tower's outHiddenSize is not the hiddenSize %d of the text model".formatted(config.hiddenSize()));
    }

    private static void require(boolean fits, String otherwise) {
        if (!fits) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /**
     * Writes the files, replacing those that are there.
     *
     * @param directory made if it does not exist
     * @throws UncheckedIOException if a file cannot be written
     */
    public void write(Path directory) {
        vocabulary.write(directory);
        JsonFiles.write(directory.resolve("config.json"), configJson());
        JsonFiles.write(directory.resolve("generation_config.json"), generationConfig());
        if (sight != null) {
            JsonFiles.write(directory.resolve("preprocessor_config.json"), processor(sight.pictures));
            JsonFiles.write(
                    directory.resolve("video_preprocessor_config.json"),
                    processor(sight.videos.frames())
                            .put("video_processor_type", "Qwen3VLVideoProcessor")
                            .put("fps", sight.videos.fps())
                            .put("min_frames", sight.videos.minFrames())
                            .put("max_frames", sight.videos.maxFrames()));
        }
        try {
            Files.writeString(directory.resolve("chat_template.jinja"), chatTemplate);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private ObjectNode configJson() {
        String architecture = config.isMoe() ? "Qwen3_5Moe" : "Qwen3_5";
        String modelType = config.isMoe() ? "qwen3_5_moe" : "qwen3_5";
        ObjectNode json = object();
        ArrayNode architectures = json.putArray("architectures");
        if (sight == null) {
            architectures.add(architecture + "ForCausalLM");
            json.setAll(textConfig(modelType + "_text"));
            return json;
        }
        architectures.add(architecture + "ForConditionalGeneration");
        json.put("model_type", modelType)
                .put("dtype", dtype())
                .put("tie_word_embeddings", config.tieWordEmbeddings())
                .put("image_token_id", id("<|image_pad|>"))
                .put("video_token_id", id("<|video_pad|>"))
                .put("vision_start_token_id", id("<|vision_start|>"))
                .put("vision_end_token_id", id("<|vision_end|>"));
        json.set("text_config", textConfig(modelType + "_text"));
        json.set("vision_config", visionConfig(sight.tower, modelType));
        return json;
    }

    private ObjectNode textConfig(String modelType) {
        ObjectNode json = object().put("model_type", modelType)
                .put("dtype", dtype())
                .put("vocab_size", config.vocabSize())
                .put("eos_token_id", id("<|endoftext|>"))
                .put("tie_word_embeddings", config.tieWordEmbeddings())
                .put("max_position_embeddings", config.maxPositionEmbeddings())
                .put("hidden_size", config.hiddenSize())
                .put("hidden_act", "silu")
                .put("rms_norm_eps", shortest(config.rmsNormEps()))
                .put("num_hidden_layers", config.numHiddenLayers());
        ArrayNode layers = json.putArray("layer_types");
        config.layerTypes().forEach(type -> layers.add(type.name().toLowerCase(Locale.ROOT)));
        json.put("num_attention_heads", config.numAttentionHeads())
                .put("num_key_value_heads", config.numKeyValueHeads())
                .put("head_dim", config.headDim())
                .put("attention_bias", false)
                .put("attn_output_gate", true);
        json.set("rope_parameters", rope(config.rope()));
        DeltaHeads heads = config.deltaHeads();
        json.put("linear_num_key_heads", heads.keyHeads())
                .put("linear_num_value_heads", heads.valueHeads())
                .put("linear_key_head_dim", heads.keyDim())
                .put("linear_value_head_dim", heads.valueDim())
                .put("linear_conv_kernel_dim", config.linearConvKernelDim())
                .put("mamba_ssm_dtype", "float32")
                .put("mtp_num_hidden_layers", config.mtpNumHiddenLayers())
                .put("mtp_use_dedicated_embeddings", false);
        if (config.isMoe()) {
            return json.put("num_experts", config.numExperts())
                    .put("num_experts_per_tok", config.numExpertsPerTok())
                    .put("moe_intermediate_size", config.moeIntermediateSize())
                    .put("shared_expert_intermediate_size", config.sharedExpertIntermediateSize());
        }
        return json.put("intermediate_size", config.intermediateSize());
    }

    private ObjectNode rope(RopeParameters rope) {
        ObjectNode json = object();
        RopeParameters.Yarn yarn = rope.yarn();
        if (yarn.equals(RopeParameters.Yarn.NONE)) {
            json.put("rope_type", "default");
        } else {
            json.put("rope_type", "yarn")
                    .put("factor", yarn.factor())
                    .put("original_max_position_embeddings", yarn.originalMaxPositionEmbeddings())
                    .put("beta_fast", yarn.betaFast())
                    .put("beta_slow", yarn.betaSlow())
                    .put("attention_factor", yarn.attentionFactor());
        }
        json.put("rope_theta", rope.theta())
                .put("partial_rotary_factor", (double) rope.rotaryDim() / config.headDim())
                .put("mrope_interleaved", true);
        ArrayNode section = json.putArray("mrope_section");
        rope.mropeSection().forEach(section::add);
        return json;
    }

    private static ObjectNode visionConfig(VisionConfig tower, String modelType) {
        ObjectNode json = object().put("model_type", modelType)
                .put("depth", tower.depth())
                .put("hidden_size", tower.hiddenSize())
                .put("hidden_act", "gelu_pytorch_tanh")
                .put("intermediate_size", tower.intermediateSize())
                .put("num_heads", tower.numHeads())
                .put("in_channels", tower.inChannels())
                .put("patch_size", tower.patchSize())
                .put("temporal_patch_size", tower.temporalPatchSize())
                .put("spatial_merge_size", Grid.MERGE)
                .put("num_position_embeddings", tower.numPositionEmbeddings())
                .put("out_hidden_size", tower.outHiddenSize())
                .put("layer_norm_eps", shortest(tower.layerNormEps()));
        json.putArray("deepstack_visual_indexes");
        return json;
    }

    /** Greedy: a small model that was trained to one answer gives its best one. */
    private ObjectNode generationConfig() {
        ObjectNode json = object();
        json.putArray("eos_token_id").add(id("<|im_end|>")).add(id("<|endoftext|>"));
        return json.put("pad_token_id", id("<|endoftext|>")).put("do_sample", false);
    }

    private static ObjectNode processor(ImageConfig config) {
        ObjectNode json = object();
        json.putObject("size")
                .put("shortest_edge", config.minPixels()) // numbers of pixels, in spite of their names
                .put("longest_edge", config.maxPixels());
        json.put("image_processor_type", "Qwen2VLImageProcessorFast")
                .put("processor_class", "Qwen3VLProcessor")
                .put("patch_size", config.patchSize())
                .put("temporal_patch_size", config.temporalPatchSize())
                .put("merge_size", config.mergeSize());
        ArrayNode mean = json.putArray("image_mean");
        config.mean().forEach(mean::add);
        ArrayNode std = json.putArray("image_std");
        config.std().forEach(std::add);
        return json;
    }

    private int id(String addedToken) {
        return vocabulary.id(addedToken);
    }

    private String dtype() {
        return switch (dataType) {
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            default -> "float32";
        };
    }

    /** 1e-6 instead of 9.999999974752427E-7. */
    private static double shortest(float value) {
        return Double.parseDouble(Float.toString(value));
    }

    private static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
