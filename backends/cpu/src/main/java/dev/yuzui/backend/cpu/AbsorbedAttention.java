package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * {@link dev.yuzui.spi.Ops#mlaDecode}: online softmax over blocks of entries, each decoded once for
 * a block of heads. Entries go in parts whose length depends on their number alone, merged in
 * order, so that a token's result depends neither on threads nor on what else is in the step. With
 * few tokens the parts are chunks of their own, and a second op merges them.
 */
final class AbsorbedAttention {
  private static final int HEADS = 16;
  private static final int ENTRIES = 32;

  /** Entries of a part at least: less would cost more to merge than to read. */
  private static final int PART = 128;

  /** The state of 16 heads, their maxima and sums, and a YzPages. */
  private static final long NATIVE_BYTES = 16 * 8 + 2 * 64 + 64;

  /** Parts of a token's entries at most, which bounds the memory of their results. */
  static final int PARTS = 32;

  private static final float LN2 = 0.6931471805599453f;

  private final CpuKernels kernels;
  private final Optional<NativeKernels> natives;
  private final int cacheNumber;
  private final MlaShape shape;
  private final Matrix cache;
  private final Pages pages;
  private final long q;
  private final long out;
  private final int tokens;
  private final int blocks;
  private final long laneBytes;

  AbsorbedAttention(
      CpuKernels kernels,
      Optional<NativeKernels> natives,
      Tensor q,
      LatentCache cache,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    this.kernels = kernels;
    OptionalInt number = NativeKernels.cacheNumber(cache.entries().encoding(), shape.entry());
    this.natives = natives.filter(_ -> number.isPresent() && shape.kvLora() % 8 == 0);
    this.cacheNumber = number.orElse(0);
    this.shape = shape;
    this.cache = Matrix.of(cache.entries());
    this.pages = new Pages(cache, batch);
    this.q = HostBuffer.address(q);
    this.out = HostBuffer.address(out);
    this.tokens = Math.toIntExact(q.rows());
    this.blocks = Math.ceilDiv(shape.heads(), HEADS);
    this.laneBytes =
        this.natives.map(n -> NATIVE_BYTES + n.attendBytes(shape)).orElse(javaLaneBytes());
  }

  /** What {@link #split} takes. */
  long laneBytes() {
    return laneBytes;
  }

  /** What {@link #whole} takes. */
  long wholeLaneBytes() {
    return partsAt() + PARTS * HEADS * partRow();
  }

  /** Where in lane memory a token's parts lie. */
  private long partsAt() {
    return Math.ceilDiv(laneBytes, 64) * 64L;
  }

  private long javaLaneBytes() {
    return ENTRIES * entryStride() + 4L * HEADS * ENTRIES + 8L * HEADS + CpuKernels.TEMPORARY;
  }

  private long entryStride() {
    return 4L * shape.entry() + 64;
  }

  /** Bytes of a head's partial result: the sum of latents, the maximum and the sum of weights. */
  long partRow() {
    return 4L * shape.kvLora() + 64;
  }

  /** Every token and block of heads over all entries. */
  Op whole() {
    return new Op() {
      @Override
      int chunks() {
        return tokens * blocks;
      }

      @Override
      void run(int chunk, Lane lane) {
        int t = chunk / blocks;
        int h = chunk % blocks * HEADS;
        int heads = Math.min(HEADS, shape.heads() - h);
        long parts = lane.memory() + partsAt();
        for (int p = 0; p < partsUsed(t); p++) {
          part(lane, t, p, h, heads, parts + p * HEADS * partRow());
        }
        for (int i = 0; i < heads; i++) {
          merge(parts + i * partRow(), HEADS * partRow(), t, h + i);
        }
      }
    };
  }

  /** Parts of the entries of every token; {@code partial} has room for {@value #PARTS} of each. */
  Op split(long partial) {
    return new Op() {
      @Override
      int chunks() {
        int most = 1;
        for (int t = 0; t < tokens; t++) {
          most = Math.max(most, partsUsed(t));
        }
        // parts are the slowest index: chunks of a token without that many come last and are empty
        return most * tokens * blocks;
      }

      @Override
      void run(int chunk, Lane lane) {
        int part = chunk / (tokens * blocks);
        int t = chunk % (tokens * blocks) / blocks;
        if (part >= partsUsed(t)) {
          return;
        }
        int h = chunk % blocks * HEADS;
        int heads = Math.min(HEADS, shape.heads() - h);
        long at = partial + (((long) t * PARTS + part) * shape.heads() + h) * partRow();
        part(lane, t, part, h, heads, at);
      }
    };
  }

  private void part(Lane lane, int t, int part, int h, int heads, long at) {
    int length = partLength(t);
    int from = part * length;
    int to = Math.min(from + length, pages.kvLength(t));
    long state = attend(lane, t, h, heads, from, to, at, partRow());
    for (int i = 0; i < heads; i++) {
      Memory.copy(state + 8L * i, at + i * partRow() + 4L * shape.kvLora(), 8);
    }
  }

  /** Puts the parts of each head together. */
  Op merge(long partial) {
    return new RowOp((long) tokens * shape.heads(), 16L * shape.kvLora()) {
      @Override
      void row(int i, Lane lane) {
        int t = i / shape.heads();
        int h = i % shape.heads();
        long step = shape.heads() * partRow();
        merge(partial + t * PARTS * step + h * partRow(), step, t, h);
      }
    };
  }

  /** {@code step} lies between the parts of a head. */
  private void merge(long first, long step, int t, int h) {
    int used = partsUsed(t);
    long row = out + 4L * ((long) t * shape.heads() + h) * shape.kvLora();
    kernels.zero(row, shape.kvLora());
    float max = Float.NEGATIVE_INFINITY;
    for (int p = 0; p < used; p++) {
      max = Math.max(max, Memory.f32(first + p * step + 4L * shape.kvLora()));
    }
    float sum = 0;
    for (int p = 0; p < used; p++) {
      long state = first + p * step + 4L * shape.kvLora();
      float by = (float) Math.exp(Memory.f32(state) - max);
      sum += by * Memory.f32(state + 4);
      kernels.addScaled(first + p * step, by, row, shape.kvLora());
    }
    kernels.scale(row, sum == 0 ? 0 : 1 / sum, shape.kvLora());
  }

  private int partLength(int t) {
    int share = Math.ceilDiv(pages.kvLength(t), PARTS);
    return Math.max(PART, Math.ceilDiv(share, ENTRIES) * ENTRIES);
  }

  private int partsUsed(int t) {
    return Math.ceilDiv(pages.kvLength(t), partLength(t));
  }

  /**
   * acc[h] = Σ e^(score − max)·latent over the entries. Answers the address of a maximum and a sum
   * of weights per head.
   */
  private long attend(Lane lane, int t, int h, int heads, int from, int to, long acc, long accRow) {
    int sequence = pages.sequence(t);
    if (natives.isPresent()) {
      return attendNatively(lane, t, sequence, h, heads, from, to, acc, accRow);
    }
    long tile = lane.memory();
    long scores = tile + ENTRIES * entryStride();
    long temporary = scores + 4L * HEADS * ENTRIES;
    long state = temporary + CpuKernels.TEMPORARY;
    for (int i = 0; i < heads; i++) {
      lane.in[i] = q + 4L * ((long) t * shape.heads() + h + i) * shape.entry();
      lane.out[i] = scores + 4L * i * ENTRIES;
      Memory.f32(state + 8L * i, Float.NEGATIVE_INFINITY);
      Memory.f32(state + 8L * i + 4, 0);
      kernels.zero(acc + i * accRow, shape.kvLora());
    }
    for (int e = from; e < to; e += ENTRIES) {
      int n = Math.min(ENTRIES, to - e);
      for (int j = 0; j < n; j++) {
        kernels.decode(
            cache,
            pages.entry(sequence, e + j),
            0,
            shape.entry(),
            temporary,
            tile + j * entryStride());
      }
      kernels.products(
          tile, entryStride(), n, lane.in, 0, heads, shape.entry(), lane.out, 0, false, temporary);
      for (int i = 0; i < heads; i++) {
        Softmax.block(
            kernels,
            lane.out[i],
            n,
            shape.scale(),
            state + 8L * i,
            acc + i * accRow,
            shape.kvLora());
      }
      kernels.weightedSum(
          scores, 4L * ENTRIES, heads, tile, entryStride(), n, shape.kvLora(), acc, accRow);
    }
    return state;
  }

  private long attendNatively(
      Lane lane, int t, int sequence, int h, int heads, int from, int to, long acc, long accRow) {
    long state = lane.memory();
    long max = state + 16 * 8;
    long sum = max + 64;
    long entries = sum + 64;
    pages.describe(cache, sequence, to, entries);
    natives
        .orElseThrow()
        .attend(
            cacheNumber,
            q + 4L * ((long) t * shape.heads() + h) * shape.entry(),
            heads,
            entries,
            from,
            to,
            shape,
            acc,
            accRow / 4,
            max,
            sum,
            lane.memory() + NATIVE_BYTES);
    for (int i = 0; i < heads; i++) {
      Memory.f32(state + 8L * i, Memory.f32(max + 4L * i) * LN2);
      Memory.f32(state + 8L * i + 4, Memory.f32(sum + 4L * i));
    }
    return state;
  }
}
