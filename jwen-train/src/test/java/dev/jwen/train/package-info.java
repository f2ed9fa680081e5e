@NullMarked
package dev.jwen.train;

import org.jspecify.annotations.NullMarked;
