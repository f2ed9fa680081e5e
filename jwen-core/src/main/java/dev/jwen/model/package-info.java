/** The network: its configuration, weights, sequence state and forward pass. */
@NullMarked
package dev.jwen.model;

import org.jspecify.annotations.NullMarked;
