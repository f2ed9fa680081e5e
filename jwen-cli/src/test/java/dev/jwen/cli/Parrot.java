package dev.jwen.cli;

import dev.jwen.checkpoint.GgufWriter;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint that says what it was made to say: first one text, and another once a tool has answered. The next token
 * follows from the one before alone, as all layers add nothing.
 */
final class Parrot {
    /** A prompt ends with a token that only {@code first} follows, or after a tool with one that only {@code then} does. */
    private static final String TEMPLATE = """
            {%- for tool in tools or [] %}{{ tool.function.name ~ ';' }}{% endfor %}
            {%- for message in messages %}{{ message.content ~ '<|im_end|>' }}{% endfor %}
            {%- if add_generation_prompt %}{{ '>' if messages[-1].role == 'tool' else '<' }}{% endif %}
            """;

    private Parrot() {}

    /** Writes the model to {@code file}, a GGUF file; it says {@code first}, and after a tool {@code then}. */
    static void write(Path file, String first, String then) {
        Map<String, Object> metadata = RehearseCommand.metadata(TEMPLATE);
        List<String> tokens = new ArrayList<>(RehearseCommand.tokens());
        int end = tokens.indexOf("<|im_end|>");
        int plain = tokens.size();
        tokens.add(spelled(first));
        tokens.add(spelled(then));
        metadata.put("tokenizer.ggml.tokens", tokens);
        List<Integer> types = new ArrayList<>(Collections.nCopies(tokens.size(), 1));
        Collections.fill(types.subList(plain - 5, plain), 3);
        metadata.put("tokenizer.ggml.token_type", types);

        Map<String, Tensor> tensors = RehearseCommand.tensors();
        Tensor embedding = Tensor.f32(tokens.size(), RehearseCommand.HIDDEN);
        Tensor output = Tensor.f32(tokens.size(), RehearseCommand.HIDDEN);
        follows(embedding, output, 0, tokens.indexOf("<"), plain);
        follows(embedding, output, 1, plain, end);
        follows(embedding, output, 2, tokens.indexOf(">"), plain + 1);
        follows(embedding, output, 3, plain + 1, end);
        Tensor norm = Tensor.f32(RehearseCommand.HIDDEN);
        for (int i = 0; i < RehearseCommand.HIDDEN; i++) {
            norm.set(0, i, 1);
        }
        tensors.put("token_embd.weight", embedding);
        tensors.put("output.weight", output);
        tensors.put("output_norm.weight", norm);
        GgufWriter.write(file, metadata, tensors);
    }

    private static void follows(Tensor embedding, Tensor output, int channel, int token, int next) {
        embedding.set(token, channel, 1);
        output.set(next, channel, 1);
    }

    /** In the alphabet of byte-level BPE, where a space and a newline have letters of their own. */
    private static String spelled(String text) {
        return text.replace(' ', 'Ġ').replace('\n', 'Ċ');
    }
}
