/** The command as a user meets it. */
package dev.jwen.cli;
