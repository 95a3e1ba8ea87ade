package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * {@link dev.yuzui.spi.Ops#mlaDecode} and {@link dev.yuzui.spi.Ops#attend}: online softmax over the
 * entries, for a block of queries at a time: heads of a token that read the same keys, or of
 * several tokens of a sequence where such heads are few. Entries go in parts whose length depends
 * on their number alone, merged in order, so that a token's result depends neither on threads nor
 * on what else is in the step.
 */
abstract class PagedAttention {
  /** Queries of a block. */
  static final int QUERIES = 16;

  /** A part's length is a multiple: entries are read so many at a time. */
  static final int ENTRIES = 32;

  /** Entries of a part at least: fewer would leave the merge with too much of the work. */
  private static final int PART = 64;

  /** Parts of a token's entries at most, of all its key heads: it bounds the memory of results. */
  private static final int PARTS = 32;

  /** Of each key head. */
  private final int mostParts;

  final AttentionShape shape;

  /** A score for each head that stands beside those of its entries, or 0. */
  private final long sinks;

  final Matrix cache;
  final Pages pages;
  private final long q;
  private final long out;
  private final int tokens;

  /** Blocks of a token's heads, those of a key head behind each other. */
  private final int blocks;

  /** Bytes from a token's queries to the next token's, and of their results. */
  private final long queryStride;

  private final long outStride;

  private final Groups groups;
  private final Block[] all;

  /**
   * @param sinks of the heads, where there is one key head
   * @param together whether a block may hold several tokens
   */
  PagedAttention(
      Tensor q,
      KvCache cache,
      AttentionShape shape,
      Optional<Tensor> sinks,
      StepBatch batch,
      Tensor out,
      boolean together) {
    this.shape = shape;
    this.sinks = sinks.map(HostBuffer::address).orElse(0L);
    this.cache = Matrix.of(cache.entries());
    this.pages = new Pages(cache, batch);
    this.q = HostBuffer.address(q);
    this.out = HostBuffer.address(out);
    this.tokens = Math.toIntExact(q.rows());
    this.mostParts = Math.max(4, PARTS / shape.kvHeads());
    this.blocks = shape.kvHeads() * Math.ceilDiv(shape.heads(), QUERIES);
    this.queryStride = 4 * q.cols();
    this.outStride = 4 * out.cols();
    this.groups = new Groups(together ? Math.max(1, QUERIES / shape.heads()) : 1);
    this.all = allBlocks();
  }

  /**
   * Neighbouring queries, and what they see.
   *
   * @param token the first query's
   * @param kvHead the part of an entry that they read
   * @param heads of a token; query j is of token {@code token} + j / heads
   * @param q address of the first of them
   */
  record Block(int token, int kvHead, int heads, int queries, long q, long out) {}

  /** Lane memory of {@link #part}, which the ops of {@link #split} take. */
  abstract long partLaneBytes();

  /** Bytes of a block's queries made ready. */
  abstract long readyBytes();

  /** Bytes of a part's result, for a block. */
  abstract long partBytes();

  /** Makes the queries of a block ready, which lie one behind the other at {@code q}. */
  abstract void ready(Block block, long q, long to);

  /** Attention of a block over the entries from ≤ i < to, as far as each query sees them. */
  abstract void part(Lane lane, Block block, long ready, int from, int to, long result);

  /** Writes what a part would be whose one entry has the scores {@code sinks} and the value 0. */
  abstract void sink(Block block, long sinks, long result);

  /** Puts {@code count} parts of a block together, results one behind the other; zeros of none. */
  abstract void merge(Block block, long parts, int count, long out);

  /** Memory that the ops of {@link #split} share. */
  final long splitBytes() {
    return tokens * blocks * blockBytes();
  }

  private long blockBytes() {
    return readyBytes() + (mostParts + (sinks == 0 ? 0 : 1)) * partBytes();
  }

  /** For few tokens: every part is a chunk. */
  final List<Op> split(long memory) {
    Op ready = new BlocksOp(true, (_, i) -> ready(i, memory + i * blockBytes()));
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
          ready(i, memory);
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

  /**
   * Queries of several tokens are gathered first, in the memory of parts that are not there yet.
   */
  private void ready(int i, long memory) {
    Block block = block(i);
    if (contiguous(block)) {
      ready(block, block.q(), memory);
      return;
    }
    long bytes = 4L * block.heads() * shape.keys();
    long gathered = memory + readyBytes();
    for (int t = 0; t < block.queries() / block.heads(); t++) {
      Memory.copy(block.q() + t * queryStride, gathered + t * bytes, bytes);
    }
    ready(block, gathered, memory);
  }

  /** Results of several tokens go to their rows from the memory of queries that are done with. */
  private void merge(int i, long memory) {
    Block block = block(i);
    long parts = memory + readyBytes();
    int count = groups.partsUsed(i / blocks);
    if (sinks != 0 && count > 0) {
      sink(block, sinks + 4L * QUERIES * (i % blocks), parts + count++ * partBytes());
    }
    if (contiguous(block)) {
      merge(block, parts, count, block.out());
      return;
    }
    merge(block, parts, count, memory);
    long bytes = 4L * block.heads() * shape.values();
    for (int t = 0; t < block.queries() / block.heads(); t++) {
      Memory.copy(memory + t * bytes, block.out() + t * outStride, bytes);
    }
  }

  /** Whether a block's queries lie one behind the other. */
  private boolean contiguous(Block block) {
    return shape.kvHeads() == 1 || block.queries() == block.heads();
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
      int perHead = blocks / shape.kvHeads();
      int kvHead = i % blocks / perHead;
      int first = i % perHead * QUERIES;
      int heads = Math.min(QUERIES, shape.heads() - first);
      long head = (long) kvHead * shape.heads() + first;
      made[i] =
          new Block(
              token,
              kvHead,
              heads,
              together * heads,
              q + token * queryStride + 4 * head * shape.keys(),
              out + token * outStride + 4 * head * shape.values());
    }
    return made;
  }

  private int partLength(int t) {
    int share = Math.ceilDiv(pages.kvLength(t), mostParts);
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
