/** From logits to tokens: sampling and stop strings. */
@NullMarked
package dev.jwen.generate;

import org.jspecify.annotations.NullMarked;
