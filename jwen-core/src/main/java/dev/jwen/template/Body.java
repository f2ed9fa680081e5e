package dev.jwen.template;

import java.util.List;

/** Statements that run in a scope of their own. */
record Body(List<Statement> statements, Names names) {}
