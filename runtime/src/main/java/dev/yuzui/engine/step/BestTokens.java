package dev.yuzui.engine.step;

/**
 * The best logits of a row, best first, ties to the lower token. NaN is given as −∞.
 *
 * @param ids their tokens
 */
public record BestTokens(int[] ids, float[] logits) {}
