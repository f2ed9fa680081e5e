/** Pictures and clips to patches: bytes in, the float32 rows that a vision tower reads out. */
@NullMarked
package dev.jwen.media;

import org.jspecify.annotations.NullMarked;
