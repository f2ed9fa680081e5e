/** Conversations: messages, content parts and tool calls; history made legal, prompt out, the model's answer parsed in. */
@NullMarked
package dev.jwen.chat;

import org.jspecify.annotations.NullMarked;
