/** What this machine can do at most, and how near the kernels and a model come to it. */
@NullMarked
package dev.jwen.bench;

import org.jspecify.annotations.NullMarked;
