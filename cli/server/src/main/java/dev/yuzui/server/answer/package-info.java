/**
 * Answers in the making, whatever interface asked: who is let in, what the engine makes, how it is
 * counted. An interface says how they are told with a {@link dev.yuzui.server.answer.Teller}.
 */
package dev.yuzui.server.answer;
