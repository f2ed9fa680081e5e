package dev.jwen.template;

/** Python's None, so that null never means two things. */
enum None {
    NONE
}
