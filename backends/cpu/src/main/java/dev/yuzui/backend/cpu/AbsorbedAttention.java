package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * {@link dev.yuzui.spi.Ops#mlaDecode}: online softmax over blocks of entries, each decoded once for
 * a block of heads; models of few heads fill it with several tokens of a sequence, as many as a
 * draft makes them. Entries go in parts whose length depends on their number alone, merged in
 * order, so that a token's result depends neither on threads nor on what else is in the step. With
 * few tokens the parts are chunks of their own, and a second op merges them.
 */
final class AbsorbedAttention {
  private static final int HEADS = 16;
  private static final int ENTRIES = 32;

  /** Entries of a part at least: less would cost more to merge than to read. */
  private static final int PART = 64;

  /** Queries and a YzPages. */
  private static final long NATIVE_BYTES = NativeKernels.QUERIES * NativeKernels.QUERY_BYTES + 64;

  /** Parts of a token's entries at most, which bounds the memory of their results. */
  static final int PARTS = 32;

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
  private final Groups groups;
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
    this.groups = new Groups(this.natives.isEmpty() ? 1 : Math.max(1, HEADS / shape.heads()));
    this.laneBytes =
        this.natives.map(n -> NATIVE_BYTES + n.attendBytes(shape)).orElse(javaLaneBytes());
  }

  /** What {@link #split} takes. */
  long laneBytes() {
    return laneBytes;
  }

  /** What {@link #whole} takes. */
  long wholeLaneBytes() {
    return partsAt() + groups.most * PARTS * Math.min(HEADS, shape.heads()) * partRow();
  }

  /** Where in lane memory the parts of a group's tokens lie. */
  private long partsAt() {
    return Math.ceilDiv(laneBytes, 64) * 64L;
  }

  private long javaLaneBytes() {
    return ENTRIES * entryStride() + 4L * HEADS * ENTRIES + CpuKernels.TEMPORARY;
  }

  private long entryStride() {
    return 4L * shape.entry() + 64;
  }

  /** Bytes of a head's partial result: the sum of latents, the maximum and the sum of weights. */
  long partRow() {
    return 4L * shape.kvLora() + 64;
  }

  /**
   * Tokens that go together: neighbours of one sequence, so few that their heads fit into a block,
   * whose entries are parted alike.
   */
  private final class Groups {
    final int most;
    private final int[] first = new int[tokens + 1];
    private int count;

    Groups(int most) {
      this.most = most;
    }

    /** Looks at device memory: once a run, by one thread. */
    int count() {
      count = 0;
      for (int t = 0; t < tokens; t++) {
        if (count == 0 || !joins(first[count - 1], t)) {
          first[count++] = t;
        }
      }
      first[count] = tokens;
      return count;
    }

    private boolean joins(int start, int t) {
      return t - start < most
          && pages.sequence(t) == pages.sequence(start)
          && partLength(t) == partLength(start);
    }

    /** The first token of a group, or behind the last one. */
    int first(int group) {
      return first[group];
    }

    /** Of the token that has most. */
    int partsUsed(int group) {
      int used = 0;
      for (int t = first[group]; t < first[group + 1]; t++) {
        used = Math.max(used, AbsorbedAttention.this.partsUsed(t));
      }
      return used;
    }
  }

  /** Every token and block of heads over all entries. */
  Op whole() {
    return new Op() {
      @Override
      int chunks() {
        return groups.count() * blocks;
      }

      @Override
      void run(int chunk, Lane lane) {
        int group = chunk / blocks;
        int h = chunk % blocks * HEADS;
        int heads = Math.min(HEADS, shape.heads() - h);
        int start = groups.first(group);
        long parts = lane.memory() + partsAt();
        long step = heads * partRow();
        for (int p = 0; p < groups.partsUsed(group); p++) {
          part(lane, group, p, h, heads, parts + p * step, PARTS * step);
        }
        for (int t = start; t < groups.first(group + 1); t++) {
          for (int i = 0; i < heads; i++) {
            merge(parts + (t - start) * PARTS * step + i * partRow(), step, t, h + i);
          }
        }
      }
    };
  }

  /** Parts of the entries of every token; {@code partial} has room for {@value #PARTS} of each. */
  Op split(long partial) {
    return new Op() {
      private int count;

      @Override
      int chunks() {
        count = groups.count();
        int most = 1;
        for (int group = 0; group < count; group++) {
          most = Math.max(most, groups.partsUsed(group));
        }
        // parts are the slowest index: chunks of a group without that many come last and are empty
        return most * count * blocks;
      }

      @Override
      void run(int chunk, Lane lane) {
        int part = chunk / (count * blocks);
        int group = chunk % (count * blocks) / blocks;
        if (part >= groups.partsUsed(group)) {
          return;
        }
        int h = chunk % blocks * HEADS;
        int heads = Math.min(HEADS, shape.heads() - h);
        long step = shape.heads() * partRow();
        long at = partial + groups.first(group) * PARTS * step + part * step + h * partRow();
        part(lane, group, part, h, heads, at, PARTS * step);
      }
    };
  }

  /**
   * A part of the entries of a group's tokens, as far as each sees them.
   *
   * @param at where the first token's first head goes, the next head behind it
   * @param next how far behind it the next token's goes
   */
  private void part(Lane lane, int group, int part, int h, int heads, long at, long next) {
    int start = groups.first(group);
    int end = groups.first(group + 1);
    int length = partLength(start);
    int from = part * length;
    if (natives.isEmpty()) {
      int to = Math.min(from + length, pages.kvLength(start));
      attend(lane, start, h, heads, from, to, at);
      return;
    }
    long queries = lane.memory();
    long entries = queries + NativeKernels.QUERIES * NativeKernels.QUERY_BYTES;
    int count = 0;
    int most = 0;
    for (int t = start; t < end; t++, at += next) {
      int to = Math.min(from + length, pages.kvLength(t));
      if (to <= from) {
        continue;
      }
      most = Math.max(most, to);
      for (int i = 0; i < heads; i++) {
        NativeKernels.query(queries, count++, query(t, h + i), at + i * partRow(), to);
      }
    }
    pages.describe(cache, pages.sequence(start), most, entries);
    natives
        .orElseThrow()
        .attend(cacheNumber, queries, count, entries, from, shape, queries + NATIVE_BYTES);
  }

  private long query(int t, int head) {
    return q + 4L * ((long) t * shape.heads() + head) * shape.entry();
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

  /** What yz_attend does, for one token: {@code acc} is its first head's result. */
  private void attend(Lane lane, int t, int h, int heads, int from, int to, long acc) {
    int sequence = pages.sequence(t);
    long tile = lane.memory();
    long scores = tile + ENTRIES * entryStride();
    long temporary = scores + 4L * HEADS * ENTRIES;
    for (int i = 0; i < heads; i++) {
      lane.in[i] = query(t, h + i);
      lane.out[i] = scores + 4L * i * ENTRIES;
      long state = acc + i * partRow() + 4L * shape.kvLora();
      Memory.f32(state, Float.NEGATIVE_INFINITY);
      Memory.f32(state + 4, 0);
      kernels.zero(acc + i * partRow(), shape.kvLora());
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
        long row = acc + i * partRow();
        Softmax.block(
            kernels, lane.out[i], n, shape.scale(), row + 4L * shape.kvLora(), row, shape.kvLora());
      }
      kernels.weightedSum(
          scores, 4L * ENTRIES, heads, tile, entryStride(), n, shape.kvLora(), acc, partRow());
    }
  }
}
