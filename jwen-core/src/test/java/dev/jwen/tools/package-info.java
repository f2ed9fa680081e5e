/** Tools with right, wrong and hostile calls. */
package dev.jwen.tools;
