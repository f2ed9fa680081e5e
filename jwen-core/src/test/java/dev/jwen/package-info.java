/** Tests of the house itself, and what tests share. */
package dev.jwen;
