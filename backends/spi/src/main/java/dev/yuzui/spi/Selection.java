package dev.yuzui.spi;

/**
 * The cache entries that each row of a step looks at, written by {@link Ops#select}. They make a
 * page table in which each row is a sequence of its own and a page is one entry, so that any
 * attention over pages is attention over them. All tensors are I32.
 *
 * @param rows [T, K] of the layer's entries, in the order of their positions; −1 behind count[t]
 * @param sequence [1, T] t, or −1 for padding
 * @param count [1, T] min(kvLength[t], K), 0 for padding
 */
public record Selection(Tensor rows, Tensor sequence, Tensor count) {

  /** The step as attention over the selection sees it. */
  public StepBatch batch(StepBatch step) {
    return new StepBatch(step.token(), step.position(), sequence, count, rows, step.outputRow());
  }

  /** The cache as attention over the selection sees it. */
  public KvCache entries(KvCache cache) {
    return new KvCache(cache.entries(), 1);
  }
}
