/** Pictures and clips by address: one careful GET, for when a user allows it. */
@NullMarked
package dev.jwen.web;

import org.jspecify.annotations.NullMarked;
