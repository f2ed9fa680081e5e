/** The Jinja engine that runs a checkpoint's own chat template, byte for byte as Python's Jinja2 does. */
@NullMarked
package dev.jwen.template;

import org.jspecify.annotations.NullMarked;
