/** The kernels in the Vector API: fast on every processor, every weight type, float32 throughout. */
@NullMarked
package dev.jwen.kernel.vector;

import org.jspecify.annotations.NullMarked;
