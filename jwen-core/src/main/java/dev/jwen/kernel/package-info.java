/** The arithmetic: the {@link dev.jwen.kernel.Kernels} interface, its plain definition and the worker pool. */
@NullMarked
package dev.jwen.kernel;

import org.jspecify.annotations.NullMarked;
