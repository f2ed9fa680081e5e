/** The network against its goldens and against itself. */
package dev.jwen.model;
