package dev.yuzui.engine.step;

import dev.yuzui.cache.Sequence;

/**
 * Rows of one sequence.
 *
 * @param start entry of the first
 * @param source row of the states that the first of these takes, the others those behind it; of no
 *     meaning where rows take none
 */
public record Rows(Sequence sequence, int start, int[] tokens, Outputs outputs, int source) {}
