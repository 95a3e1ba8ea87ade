package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.List;

/**
 * {@link dev.yuzui.spi.Ops#mlaDecode}: online softmax over the entries, for a block of queries at a
 * time: heads of a token, or of several tokens of a sequence where heads are few, as a draft makes
 * them. Entries go in parts whose length depends on their number alone, merged in order, so that a
 * token's result depends neither on threads nor on what else is in the step.
 */
abstract class AbsorbedAttention {
  /** Queries of a block. */
  static final int QUERIES = 16;

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

  /** Blocks of a token's heads. */
  private final int blocks;

  private final Groups groups;
  private final Block[] all;

  /**
   * @param together whether a block may hold several tokens
   */
  AbsorbedAttention(
      Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, Tensor out, boolean together) {
    this.shape = shape;
    this.cache = Matrix.of(cache.entries());
    this.pages = new Pages(cache, batch);
    this.q = HostBuffer.address(q);
    this.out = HostBuffer.address(out);
    this.tokens = Math.toIntExact(q.rows());
    this.blocks = Math.ceilDiv(shape.heads(), QUERIES);
    this.groups = new Groups(together ? Math.max(1, QUERIES / shape.heads()) : 1);
    this.all = allBlocks();
  }

  /**
   * Neighbouring queries, and what they see.
   *
   * @param token the first query's
   * @param heads of a token; query j is of token {@code token} + j / heads
   * @param q address of the first of them
   */
  record Block(int token, int heads, int queries, long q, long out) {}

  /** Lane memory of {@link #part}, which the ops of {@link #split} take. */
  abstract long partLaneBytes();

  /** Bytes of a block's queries made ready. */
  abstract long readyBytes();

  /** Bytes of a part's result, for a block. */
  abstract long partBytes();

  /** Makes the queries of a block ready. */
  abstract void ready(Block block, long to);

  /** Attention of a block over the entries from ≤ i < to, as far as each query sees them. */
  abstract void part(Lane lane, Block block, long ready, int from, int to, long result);

  /** Puts {@code count} parts of a block together; zeros of none. */
  abstract void merge(Block block, long parts, int count);

  /** Memory that the ops of {@link #split} share. */
  final long splitBytes() {
    return tokens * blocks * blockBytes();
  }

  private long blockBytes() {
    return readyBytes() + PARTS * partBytes();
  }

  /** For few tokens: every part is a chunk. */
  final List<Op> split(long memory) {
    Op ready = new BlocksOp(true, (_, i) -> ready(block(i), memory + i * blockBytes()));
    Op merge = new BlocksOp(false, (_, i) -> merge(i, memory + i * blockBytes()));
    return List.of(ready, partsOp(memory), merge);
  }

  private Op partsOp(long memory) {
    return new Op() {
      @Override
      int chunks() {
        int most = 1;
        for (int group = 0; group < groups.count; group++) {
          most = Math.max(most, groups.partsUsed(group));
        }
        // parts are the slowest index: chunks of a group without that many come last and are empty
        return most * groups.count * blocks;
      }

      @Override
      void run(int chunk, Lane lane) {
        int part = chunk / (groups.count * blocks);
        int i = chunk % (groups.count * blocks);
        if (part < groups.partsUsed(i / blocks)) {
          part(lane, i, part, memory + i * blockBytes());
        }
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

  /** For many tokens: every block is a chunk. */
  final Op whole() {
    return new BlocksOp(
        true,
        (lane, i) -> {
          long memory = lane.memory() + wholeAt();
          ready(block(i), memory);
          for (int part = 0; part < groups.partsUsed(i / blocks); part++) {
            part(lane, i, part, memory);
          }
          merge(i, memory);
        });
  }

  private void part(Lane lane, int i, int part, long memory) {
    int group = i / blocks;
    int length = partLength(groups.first[group]);
    int from = part * length;
    int to = Math.min(from + length, groups.kvLength(group));
    part(lane, block(i), memory, from, to, memory + readyBytes() + part * partBytes());
  }

  private void merge(int i, long memory) {
    merge(block(i), memory + readyBytes(), groups.partsUsed(i / blocks));
  }

  /** Block i of the groups that were found. */
  private Block block(int i) {
    int group = i / blocks;
    int token = groups.first[group];
    int together = groups.first[group + 1] - token;
    return all[(token * groups.most + together - 1) * blocks + i % blocks];
  }

  /** Of every token, with up to so many that follow it: made once, for a step makes nothing. */
  private Block[] allBlocks() {
    Block[] made = new Block[tokens * groups.most * blocks];
    for (int i = 0; i < made.length; i++) {
      int token = i / blocks / groups.most;
      int together = i / blocks % groups.most + 1;
      int head = i % blocks * QUERIES;
      int heads = Math.min(QUERIES, shape.heads() - head);
      long row = (long) token * shape.heads() + head;
      long query = q + 4 * row * shape.entry();
      made[i] = new Block(token, heads, together * heads, query, out + 4 * row * shape.kvLora());
    }
    return made;
  }

  private int partLength(int t) {
    int share = Math.ceilDiv(pages.kvLength(t), PARTS);
    return Math.max(PART, Math.ceilDiv(share, ENTRIES) * ENTRIES);
  }

  private interface BlockTask {
    void run(Lane lane, int i);
  }

  /** A chunk a block. */
  private final class BlocksOp extends Op {
    private final boolean first;
    private final BlockTask task;

    /**
     * @param first of the ops of a step: it finds the groups
     */
    BlocksOp(boolean first, BlockTask task) {
      this.first = first;
      this.task = task;
    }

    @Override
    int chunks() {
      if (first) {
        groups.find();
      }
      return groups.count * blocks;
    }

    @Override
    void run(int chunk, Lane lane) {
      task.run(lane, chunk);
    }
  }

  /**
   * Tokens that go together: neighbours of one sequence, so few that their heads fit into a block,
   * whose entries are parted alike.
   */
  private final class Groups {
    private final int most;
    private final int[] first = new int[tokens + 1];
    private int count;

    Groups(int most) {
      this.most = most;
    }

    /** Looks at device memory: once a run, by one thread. */
    void find() {
      count = 0;
      for (int t = 0; t < tokens; t++) {
        if (count == 0 || !joins(first[count - 1], t)) {
          first[count++] = t;
        }
      }
      first[count] = tokens;
    }

    private boolean joins(int start, int t) {
      return t - start < most
          && pages.sequence(t) == pages.sequence(start)
          && partLength(t) == partLength(start);
    }

    /** Of the token that sees most. */
    int kvLength(int group) {
      int most = 0;
      for (int t = first[group]; t < first[group + 1]; t++) {
        most = Math.max(most, pages.kvLength(t));
      }
      return most;
    }

    int partsUsed(int group) {
      return Math.ceilDiv(kvLength(group), partLength(first[group]));
    }
  }
}
