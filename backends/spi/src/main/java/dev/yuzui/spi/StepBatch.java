package dev.yuzui.spi;

/**
 * What varies from step to step, in device memory, for T rows (a bucket) over at most S sequences.
 * All tensors are I32. Rows of one sequence are in order of position; padding rows come last, with
 * sequence −1, token 0, position 0 and kvLength 0.
 *
 * @param token [1, T] vocabulary ids
 * @param position [1, T] place of the token in its sequence
 * @param sequence [1, T] row of {@code pages}, or −1 for padding
 * @param kvLength [1, T] cache entries token t may see, its own included: causality, drafts and
 *     padding in one number
 * @param pages [S, pagesPerSequence] page numbers of each sequence; entry i of a sequence lies at
 *     pages[s, i / pageTokens] · pageTokens + i % pageTokens
 * @param outputRow [1, M] rows of the step whose logits are wanted; padding repeats row 0
 */
public record StepBatch(
    Tensor token,
    Tensor position,
    Tensor sequence,
    Tensor kvLength,
    Tensor pages,
    Tensor outputRow) {

  public int tokens() {
    return (int) token.cols();
  }

  public int outputs() {
    return (int) outputRow.cols();
  }
}
