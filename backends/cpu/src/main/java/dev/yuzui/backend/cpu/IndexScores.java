package dev.yuzui.backend.cpu;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Scores of a sequence's keys, see {@link dev.yuzui.spi.Ops#select}. A score is the same number
 * whichever keys and rows are looked at together.
 */
abstract class IndexScores {
  final IndexShape shape;
  final Matrix keys;
  final Pages pages;
  private final long q;
  private final long weights;

  IndexScores(Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch) {
    this.shape = shape;
    this.keys = Matrix.of(keys.entries());
    this.pages = new Pages(keys, batch);
    this.q = HostBuffer.address(q);
    this.weights = HostBuffer.address(weights);
  }

  static IndexScores of(
      CpuKernels kernels,
      Optional<NativeKernels> natives,
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch) {
    return natives
        .flatMap(n -> NativeIndexScores.of(n, q, weights, keys, shape, batch))
        .orElseGet(() -> new RowIndexScores(kernels, q, weights, keys, shape, batch));
  }

  /** Bytes of a row's queries made ready. */
  abstract long readyBytes();

  /** Lane memory of {@link #ready(int, Lane, long)} and {@link #score}. */
  abstract long laneBytes();

  /** Addresses of a lane's products. */
  abstract int laneRows();

  /**
   * Makes a row's queries ready.
   *
   * @param given its queries, spread where keys are
   * @param weights of its heads
   */
  abstract void ready(long given, long weights, long to);

  /**
   * Of the keys from ≤ s < to, into {@code scores} from element {@code from} on.
   *
   * @param ready of row t
   */
  abstract void score(int t, long ready, int from, int to, long scores, Lane lane);

  /** Of a row's queries, spread. */
  final long spreadBytes() {
    return shape.rotated() ? 4L * shape.heads() * shape.head() : 0;
  }

  final void ready(int t, Lane lane, long to) {
    long row = 4L * shape.heads() * shape.head();
    long given = q + t * row;
    if (shape.rotated()) {
      for (long at = 0; at < row; at += 4L * shape.head()) {
        Indexer.spread(given + at, shape.head(), lane.memory() + at);
      }
      given = lane.memory();
    }
    ready(given, weights + 4L * t * shape.heads(), to);
  }
}
