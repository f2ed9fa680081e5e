package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.engine.ToolLoop;

/**
 * A problem that a model was given, and what it made of it.
 *
 * @param skill the name of the skill
 * @param number counts the problems of a skill from 0
 * @param problem what was asked
 * @param conversation how the model led it
 * @param ending why the conversation ended
 * @param isSolved whether the model answered, and well; an answer that was cut is wrong whatever it says
 */
public record Trial(
        String skill,
        int number,
        Problem problem,
        Conversation conversation,
        ToolLoop.Ending ending,
        boolean isSolved) {}
