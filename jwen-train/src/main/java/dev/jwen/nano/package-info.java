/** jwen-nano, the model that ships with Jwen: its skills, how it is trained on them and how they are measured. */
@NullMarked
package dev.jwen.nano;

import org.jspecify.annotations.NullMarked;
