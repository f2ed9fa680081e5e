/** Reading and writing of model files: safetensors and GGUF, both in the names of the published config and weights. */
@NullMarked
package dev.jwen.checkpoint;

import org.jspecify.annotations.NullMarked;
