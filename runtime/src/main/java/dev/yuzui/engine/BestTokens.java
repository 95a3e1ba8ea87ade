package dev.yuzui.engine;

/**
 * The best logits of a row, best first, ties to the lower token. NaN is given as −∞.
 *
 * @param ids their tokens
 */
record BestTokens(int[] ids, float[] logits) {}
