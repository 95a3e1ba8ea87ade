package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/** {@link AbsorbedAttention} by yz_turn, yz_attend and yz_merge: a lane a query. */
final class NativeAbsorbed extends AbsorbedAttention {
  /** How far each lane sees. */
  private static final long LAST_BYTES = 8L * QUERIES;

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
    super(q, cache, shape, batch, out, true);
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
    return Pages.DESCRIPTION + LAST_BYTES + workBytes;
  }

  @Override
  long readyBytes() {
    return 4L * QUERIES * shape.entry();
  }

  @Override
  long partBytes() {
    return 4L * QUERIES * (shape.kvLora() + 2);
  }

  @Override
  void ready(Block block, long to) {
    kernels.turn(block.q(), block.queries(), shape, to);
  }

  @Override
  void part(Lane lane, Block block, long ready, int from, int to, long result) {
    long entries = lane.memory();
    long last = entries + Pages.DESCRIPTION;
    for (int j = 0; j < QUERIES; j++) {
      int query = Math.min(j, block.queries() - 1);
      int sees = pages.kvLength(block.token() + query / block.heads());
      Memory.i64(last + 8L * j, Math.clamp(sees, from, to));
    }
    pages.describe(cache, pages.sequence(block.token()), to, entries);
    kernels.attend(cacheNumber, ready, entries, from, last, shape, result, last + LAST_BYTES);
  }

  @Override
  void merge(Block block, long parts, int count) {
    kernels.merge(parts, partBytes() / 4, count, block.queries(), shape, block.out());
  }
}
