package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/** {@link AbsorbedAttention} by yz_turn, yz_attend and yz_merge: a lane a head. */
final class NativeAbsorbed extends AbsorbedAttention {
  private final NativeKernels kernels;
  private final int cacheNumber;
  private final long workBytes;

  private NativeAbsorbed(
      NativeKernels kernels,
      int cacheNumber,
      Tensor q,
      LatentCache cache,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    super(q, cache, shape, batch, out);
    this.kernels = kernels;
    this.cacheNumber = cacheNumber;
    this.workBytes = kernels.attendBytes(shape);
  }

  /** Empty, if the kernel does not read such a cache. */
  static Optional<AbsorbedAttention> of(
      NativeKernels kernels,
      Tensor q,
      LatentCache cache,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    OptionalInt number = NativeKernels.cacheNumber(cache.entries().encoding(), shape.entry());
    return number.isPresent() && shape.kvLora() % 8 == 0
        ? Optional.of(new NativeAbsorbed(kernels, number.getAsInt(), q, cache, shape, batch, out))
        : Optional.empty();
  }

  @Override
  long partLaneBytes() {
    return Pages.DESCRIPTION + workBytes;
  }

  @Override
  long readyBytes() {
    return 4L * HEADS * shape.entry();
  }

  @Override
  long partBytes() {
    return 4L * HEADS * (shape.kvLora() + 2);
  }

  @Override
  void ready(long q, int heads, long to) {
    kernels.turn(q, heads, shape, to);
  }

  @Override
  void part(Lane lane, int t, long q, long ready, int heads, int from, int to, long result) {
    long entries = lane.memory();
    pages.describe(cache, pages.sequence(t), to, entries);
    kernels.attend(
        cacheNumber, ready, entries, from, to, shape, result, entries + Pages.DESCRIPTION);
  }

  @Override
  void merge(long parts, int count, int heads, long out) {
    kernels.merge(parts, partBytes() / 4, count, heads, shape, out);
  }
}
