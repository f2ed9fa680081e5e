/** Opened models end to end: prompt in, text out. */
package dev.jwen.engine;
