/** Everything joined: open a model, continue a sequence, hold a conversation. The public entry point of the library. */
@NullMarked
package dev.jwen.engine;

import org.jspecify.annotations.NullMarked;
