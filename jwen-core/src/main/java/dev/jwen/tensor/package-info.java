/** Shapes, data types, block formats and the memory that holds them. Everything else stands on this room. */
@NullMarked
package dev.jwen.tensor;

import org.jspecify.annotations.NullMarked;
