package dev.yuzui.backend.cpu;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/** {@link IndexScores} by yz_index_scores. */
final class NativeIndexScores extends IndexScores {
  private final NativeKernels kernels;
  private final int cache;

  private NativeIndexScores(
      NativeKernels kernels,
      int cache,
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch) {
    super(q, weights, keys, shape, batch);
    this.kernels = kernels;
    this.cache = cache;
  }

  /** Empty, if the kernel does not read such a cache. */
  static Optional<IndexScores> of(
      NativeKernels kernels,
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch) {
    OptionalInt number =
        NativeKernels.cacheNumber(keys.entries().encoding(), keys.entries().cols());
    return number.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new NativeIndexScores(kernels, number.getAsInt(), q, weights, keys, shape, batch));
  }

  @Override
  long readyBytes() {
    return kernels.indexTurnedBytes(shape);
  }

  @Override
  long laneBytes() {
    return Math.max(spreadBytes(), Pages.DESCRIPTION + kernels.indexBytes(shape));
  }

  @Override
  int laneRows() {
    return 0;
  }

  @Override
  void ready(long given, long weights, long to) {
    kernels.indexTurn(given, weights, shape, to);
  }

  @Override
  void score(int t, long ready, int from, int to, long scores, Lane lane) {
    long entries = lane.memory();
    pages.describe(keys, pages.sequence(t), from, to, 0, entries);
    kernels.indexScores(
        cache, ready, shape, entries, from, to, scores, entries + Pages.DESCRIPTION);
  }
}
