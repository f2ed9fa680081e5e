/** Matrix products as machine code that Java writes at start for the processor it finds, called without any C. */
@NullMarked
package dev.jwen.kernel.x86;

import org.jspecify.annotations.NullMarked;
