package dev.yuzui.spi;

/**
 * The rows of a step sorted by expert, written by {@link Ops#permute}. A slot is (token t, choice
 * k), numbered t·K + k; slots of id −1, padding rows' among them, belong to no expert. All tensors
 * are I32.
 *
 * @param offset [1, E + 1] expert e owns sorted places offset[e] … offset[e+1] − 1; offset[E]
 *     places are in use
 * @param slot [1, T·K] slot at each sorted place; within an expert slots ascend
 * @param place [1, T·K] sorted place of each slot, or −1
 * @param used K
 */
public record Dispatch(Tensor offset, Tensor slot, Tensor place, int used) {

  public int experts() {
    return (int) offset.cols() - 1;
  }

  public int slots() {
    return (int) slot.cols();
  }
}
