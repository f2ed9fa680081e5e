@org.jspecify.annotations.NullMarked
package dev.jwen.bench;
