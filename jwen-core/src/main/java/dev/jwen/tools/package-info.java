/** Tools that a model may be given: a calculator, and work in one folder. */
@NullMarked
package dev.jwen.tools;

import org.jspecify.annotations.NullMarked;
