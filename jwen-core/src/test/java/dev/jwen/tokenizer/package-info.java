/** Tests of the tokenizer: goldens, two routes with one answer, streams fed any split, hostile input. */
@NullMarked
package dev.jwen.tokenizer;

import org.jspecify.annotations.NullMarked;
