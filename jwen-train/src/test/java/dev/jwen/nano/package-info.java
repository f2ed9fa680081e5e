@NullMarked
package dev.jwen.nano;

import org.jspecify.annotations.NullMarked;
