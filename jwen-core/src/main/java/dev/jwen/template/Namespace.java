package dev.jwen.template;

/** The one object a template can change: {@code {% set ns.total = ns.total + 1 %}}. */
record Namespace(Dict attributes) {}
