package dev.yuzui.engine.api;

/**
 * A sampled token.
 *
 * @param text that became certain with it: whole characters, never part of a stop text; may be
 *     empty
 */
public record Token(int id, String text) {}
