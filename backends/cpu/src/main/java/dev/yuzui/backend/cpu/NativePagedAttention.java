package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * {@link PagedAttention} by yz_turn, yz_attend and yz_merge: a lane a query, unless these are few.
 */
final class NativePagedAttention extends PagedAttention {
  /** How far each lane sees. */
  private static final long LAST_BYTES = 8L * QUERIES;

  private final NativeKernels kernels;
  private final int cacheNumber;
  private final long workBytes;

  /** By the shape alone: a query's numbers must not depend on what is beside it. */
  private final boolean few;

  private NativePagedAttention(
      NativeKernels kernels,
      int cacheNumber,
      Tensor q,
      KvCache cache,
      AttentionShape shape,
      Optional<Tensor> sinks,
      StepBatch batch,
      Tensor out) {
    super(q, cache, shape, sinks, batch, out, true);
    this.kernels = kernels;
    this.cacheNumber = cacheNumber;
    this.workBytes = kernels.attendBytes(shape);
    this.few = kernels.few(shape.heads()) && shape.keys() % 16 == 0 && shape.values() % 16 == 0;
  }

  /** Empty, if the kernel does not read such a cache. */
  static Optional<PagedAttention> of(
      NativeKernels kernels,
      Tensor q,
      KvCache cache,
      AttentionShape shape,
      Optional<Tensor> sinks,
      StepBatch batch,
      Tensor out) {
    OptionalInt number = NativeKernels.cacheNumber(cache.entries().encoding(), shape.width());
    return number.isPresent() && shape.values() % 8 == 0
        ? Optional.of(
            new NativePagedAttention(
                kernels, number.getAsInt(), q, cache, shape, sinks, batch, out))
        : Optional.empty();
  }

  @Override
  long partLaneBytes() {
    return Pages.DESCRIPTION + LAST_BYTES + workBytes;
  }

  @Override
  long readyBytes() {
    return 4L * QUERIES * shape.keys();
  }

  @Override
  long partBytes() {
    return 4L * QUERIES * (shape.values() + 2);
  }

  @Override
  void ready(Block block, long q, long to) {
    kernels.turn(q, block.queries(), shape, few, to);
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
    long part = cache.encoding().rowBytes((long) block.kvHead() * shape.width());
    pages.describe(cache, pages.sequence(block.token()), from, to, part, entries);
    kernels.attend(
        cacheNumber,
        ready,
        block.queries(),
        few,
        entries,
        from,
        last,
        shape,
        result,
        last + LAST_BYTES);
  }

  /** Scores are of base 2 here. */
  @Override
  void sink(Block block, long sinks, long result) {
    for (long at = 0; at < partBytes(); at += 4) {
      Memory.f32(result + at, 0);
    }
    long state = result + 4L * QUERIES * shape.values();
    for (int j = 0; j < QUERIES; j++) {
      float score = Memory.f32(sinks + 4L * (j % block.heads()));
      Memory.f32(state + 4L * j, (float) (score / Math.log(2)));
      Memory.f32(state + 4L * (QUERIES + j), 1);
    }
  }

  @Override
  void merge(Block block, long parts, int count, long out) {
    kernels.merge(parts, partBytes() / 4, count, block.queries(), shape, out);
  }
}
