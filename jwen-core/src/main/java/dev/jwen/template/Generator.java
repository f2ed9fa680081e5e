package dev.jwen.template;

import java.util.Iterator;

/** Something that can be iterated once, as most filters over sequences return it. It is always true and has no length. */
record Generator(Iterator<Object> iterator) {}
