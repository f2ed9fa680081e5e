/** Skills judge what they demonstrate. */
@org.jspecify.annotations.NullMarked
package dev.jwen.nano;
