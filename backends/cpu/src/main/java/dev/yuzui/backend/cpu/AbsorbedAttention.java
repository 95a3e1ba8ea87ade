package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.stream.Stream;

/**
 * {@link dev.yuzui.spi.Ops#mlaDecode}: online softmax over the entries, for a block of heads at a
 * time. Entries go in parts whose length depends on their number alone, merged in order, so that a
 * token's result depends neither on threads nor on what else is in the step.
 */
abstract class AbsorbedAttention {
  /** Of a block. */
  static final int HEADS = 16;

  /** A part's length is a multiple: entries are read so many at a time. */
  static final int ENTRIES = 32;

  /** Entries of a part at least: fewer would leave the merge with too much of the work. */
  private static final int PART = 64;

  /** Parts of a token's entries at most, which bounds the memory of their results. */
  private static final int PARTS = 32;

  final MlaShape shape;
  final Matrix cache;
  final Pages pages;
  private final long q;
  private final long out;
  private final int tokens;
  private final int blocks;

  AbsorbedAttention(Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    this.shape = shape;
    this.cache = Matrix.of(cache.entries());
    this.pages = new Pages(cache, batch);
    this.q = HostBuffer.address(q);
    this.out = HostBuffer.address(out);
    this.tokens = Math.toIntExact(q.rows());
    this.blocks = Math.ceilDiv(shape.heads(), HEADS);
  }

  /** Lane memory of {@link #part}, which the ops of {@link #split} take. */
  abstract long partLaneBytes();

  /** Bytes of a block's queries made ready. */
  abstract long readyBytes();

  /** Bytes of a part's result, for a block. */
  abstract long partBytes();

  /** Makes the queries of a block ready, from {@code q}. */
  abstract void ready(long q, int heads, long to);

  /** Attention of a block over the entries from ≤ i < to of row t. */
  abstract void part(
      Lane lane, int t, long q, long ready, int heads, int from, int to, long result);

  /** Puts {@code count} parts of a block together; zeros of none. */
  abstract void merge(long parts, int count, int heads, long out);

  /** Memory that the ops of {@link #split} share. */
  final long splitBytes() {
    return tokens * blocks * blockBytes();
  }

  private long blockBytes() {
    return readyBytes() + PARTS * partBytes();
  }

  /** For few tokens: every part is a chunk. */
  final List<Op> split(long memory) {
    List<Op> rest = List.of(partsOp(memory), mergeOp(memory));
    return readyBytes() == 0
        ? rest
        : Stream.concat(Stream.of(readyOp(memory)), rest.stream()).toList();
  }

  private Op readyOp(long memory) {
    return new RowOp((long) tokens * blocks, 2 * readyBytes()) {
      @Override
      void row(int i, Lane lane) {
        ready(query(i), heads(i), memory + i * blockBytes());
      }
    };
  }

  private Op partsOp(long memory) {
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
        int i = chunk % (tokens * blocks);
        if (part < partsUsed(i / blocks)) {
          part(lane, i, part, memory + i * blockBytes());
        }
      }
    };
  }

  private Op mergeOp(long memory) {
    return new RowOp((long) tokens * blocks, 2 * partBytes()) {
      @Override
      void row(int i, Lane lane) {
        merge(i, memory + i * blockBytes());
      }
    };
  }

  /** What {@link #whole} takes. */
  final long wholeLaneBytes() {
    return wholeAt() + blockBytes();
  }

  private long wholeAt() {
    return Math.ceilDiv(partLaneBytes(), 64) * 64L;
  }

  /** For many tokens: every token and block is a chunk. */
  final Op whole() {
    return new Op() {
      @Override
      int chunks() {
        return tokens * blocks;
      }

      @Override
      void run(int i, Lane lane) {
        long memory = lane.memory() + wholeAt();
        ready(query(i), heads(i), memory);
        for (int part = 0; part < partsUsed(i / blocks); part++) {
          part(lane, i, part, memory);
        }
        merge(i, memory);
      }
    };
  }

  private void part(Lane lane, int i, int part, long memory) {
    int t = i / blocks;
    int length = partLength(t);
    int from = part * length;
    int to = Math.min(from + length, pages.kvLength(t));
    long result = memory + readyBytes() + part * partBytes();
    part(lane, t, query(i), memory, heads(i), from, to, result);
  }

  private void merge(int i, long memory) {
    long to = out + 4L * firstHead(i) * shape.kvLora();
    merge(memory + readyBytes(), partsUsed(i / blocks), heads(i), to);
  }

  /** Among the heads of all tokens. */
  private long firstHead(int i) {
    return (long) i / blocks * shape.heads() + i % blocks * HEADS;
  }

  private long query(int i) {
    return q + 4 * firstHead(i) * shape.entry();
  }

  private int heads(int i) {
    return Math.min(HEADS, shape.heads() - i % blocks * HEADS);
  }

  private int partLength(int t) {
    int share = Math.ceilDiv(pages.kvLength(t), PARTS);
    return Math.max(PART, Math.ceilDiv(share, ENTRIES) * ENTRIES);
  }

  private int partsUsed(int t) {
    return Math.ceilDiv(pages.kvLength(t), partLength(t));
  }
}
