/** The jwen command: arguments, terminal, wiring; nothing else. */
@NullMarked
package dev.jwen.cli;

import org.jspecify.annotations.NullMarked;
