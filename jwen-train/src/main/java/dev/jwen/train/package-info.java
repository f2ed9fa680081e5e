/** The trainer: the way back through the network, optimisers, data, checkpoints. */
@NullMarked
package dev.jwen.train;

import org.jspecify.annotations.NullMarked;
