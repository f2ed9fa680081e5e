/** Text to token ids and back: the byte-level BPE of the Qwen models, exactly as their published files define it. */
@NullMarked
package dev.jwen.tokenizer;

import org.jspecify.annotations.NullMarked;
