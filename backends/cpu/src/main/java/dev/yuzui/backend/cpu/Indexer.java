package dev.yuzui.backend.cpu;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * {@link dev.yuzui.spi.Ops#select}: scores of a sequence's keys in blocks, then those of the
 * largest by their bits. A score is the same number whichever keys and rows are looked at together.
 */
final class Indexer {
  /** Keys that are decoded at a time. */
  private static final int KEYS = 32;

  /** Keys of a chunk of work, where few rows share it out. */
  private static final int PART = 1024;

  /** Bits of a score that are looked at in a pass. */
  private static final int DIGIT = 11;

  private final CpuKernels kernels;
  private final IndexShape shape;
  private final Matrix keys;
  private final Pages pages;
  private final int tokens;
  private final int most;
  private final int capacity;
  private final long q;
  private final long weights;
  private final long rows;
  private final long sequences;
  private final long counts;

  Indexer(
      CpuKernels kernels,
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch,
      Selection out) {
    this.kernels = kernels;
    this.shape = shape;
    this.keys = Matrix.of(keys.entries());
    this.pages = new Pages(keys, batch);
    this.tokens = Math.toIntExact(q.rows());
    this.most = Math.toIntExact(out.rows().cols());
    this.capacity = Math.toIntExact(batch.pages().cols() * keys.pageTokens());
    this.q = HostBuffer.address(q);
    this.weights = HostBuffer.address(weights);
    this.rows = HostBuffer.address(out.rows());
    this.sequences = HostBuffer.address(out.sequence());
    this.counts = HostBuffer.address(out.count());
  }

  /** Bytes that the ops of {@link #split} share. */
  long splitBytes() {
    return 4L * tokens * capacity;
  }

  long splitLaneBytes() {
    return queryBytes() + tileBytes();
  }

  long wholeLaneBytes() {
    return splitLaneBytes() + 4L * capacity;
  }

  /** Addresses of a lane's products. */
  int laneRows() {
    return shape.heads();
  }

  private long queryBytes() {
    return shape.rotated() ? 4L * shape.heads() * shape.head() : 0;
  }

  private long keyStride() {
    return 4L * shape.head() + 64;
  }

  private long tileBytes() {
    return KEYS * keyStride() + 4L * KEYS * shape.heads() + CpuKernels.TEMPORARY;
  }

  /** For few rows: parts of their keys are chunks. */
  List<Op> split(long memory) {
    Op scores =
        new Op() {
          @Override
          int chunks() {
            int longest = 0;
            for (int t = 0; t < tokens; t++) {
              longest = Math.max(longest, pages.kvLength(t));
            }
            return tokens * Math.ceilDiv(longest, PART);
          }

          @Override
          void run(int chunk, Lane lane) {
            int t = chunk % tokens;
            int from = chunk / tokens * PART;
            int to = Math.min(from + PART, pages.kvLength(t));
            if (from < to && pages.kvLength(t) > most) {
              scores(lane, t, from, to, memory + 4L * t * capacity);
            }
          }
        };
    Op choose =
        new RowOp(tokens, 16L * capacity) {
          @Override
          void row(int t, Lane lane) {
            choose(lane, t, memory + 4L * t * capacity);
          }
        };
    return List.of(scores, choose);
  }

  /** For many rows: each is a chunk. */
  Op whole() {
    return new Op() {
      @Override
      int chunks() {
        return tokens;
      }

      @Override
      void run(int t, Lane lane) {
        long memory = lane.memory() + splitLaneBytes();
        int sees = pages.kvLength(t);
        if (sees > most) {
          scores(lane, t, 0, sees, memory);
        }
        choose(lane, t, memory);
      }
    };
  }

  /** Of the keys from ≤ s < to, into {@code scores} from element {@code from} on. */
  private void scores(Lane lane, int t, int from, int to, long scores) {
    int sequence = pages.sequence(t);
    long query = query(lane, t);
    long tile = lane.memory() + queryBytes();
    long products = tile + KEYS * keyStride();
    long temporary = products + 4L * KEYS * shape.heads();
    for (int h = 0; h < shape.heads(); h++) {
      lane.in[h] = query + 4L * h * shape.head();
      lane.out[h] = products + 4L * h * KEYS;
    }
    for (int first = from; first < to; first += KEYS) {
      int n = Math.min(KEYS, to - first);
      for (int i = 0; i < n; i++) {
        int entry = pages.entry(sequence, first + i);
        kernels.decode(keys, entry, 0, shape.head(), temporary, tile + i * keyStride());
      }
      kernels.products(
          tile,
          keyStride(),
          n,
          lane.in,
          0,
          shape.heads(),
          shape.head(),
          lane.out,
          0,
          false,
          temporary);
      for (int i = 0; i < n; i++) {
        Memory.f32(scores + 4L * (first + i), weighted(t, products + 4L * i));
      }
    }
  }

  /** Σh weight[h]·relu(product[h]) */
  private float weighted(int t, long product) {
    long by = weights + 4L * t * shape.heads();
    float sum = 0;
    for (int h = 0; h < shape.heads(); h++) {
      float dot = Memory.f32(product + 4L * h * KEYS);
      sum += Memory.f32(by + 4L * h) * (dot > 0 || Float.isNaN(dot) ? dot : 0);
    }
    return sum * shape.scale();
  }

  /** The row's queries, spread where the keys are. */
  private long query(Lane lane, int t) {
    long given = q + 4L * t * shape.heads() * shape.head();
    if (!shape.rotated()) {
      return given;
    }
    long spread = lane.memory();
    for (int h = 0; h < shape.heads(); h++) {
      long at = 4L * h * shape.head();
      spread(given + at, shape.head(), spread + at);
    }
    return spread;
  }

  /** H·x / √n with Sylvester's H; n is a power of two. */
  static void spread(long x, int n, long to) {
    float by = (float) (1 / Math.sqrt(n));
    for (int i = 0; i < n; i++) {
      Memory.f32(to + 4L * i, Memory.f32(x + 4L * i) * by);
    }
    for (int half = 1; half < n; half *= 2) {
      for (int i = 0; i < n; i++) {
        if ((i & half) == 0) {
          float a = Memory.f32(to + 4L * i);
          float b = Memory.f32(to + 4L * (i + half));
          Memory.f32(to + 4L * i, a + b);
          Memory.f32(to + 4L * (i + half), a - b);
        }
      }
    }
  }

  /** Writes what row t looks at. */
  private void choose(Lane lane, int t, long scores) {
    int sequence = pages.sequence(t);
    int sees = pages.kvLength(t);
    int chosen = Math.min(sees, most);
    Memory.i32(sequences + 4L * t, sequence < 0 ? -1 : t);
    Memory.i32(counts + 4L * t, chosen);
    long to = rows + 4L * t * most;
    for (int i = chosen; i < most; i++) {
      Memory.i32(to + 4L * i, -1);
    }
    if (sees <= most) {
      for (int s = 0; s < sees; s++) {
        Memory.i32(to + 4L * s, pages.entry(sequence, s));
      }
      return;
    }
    int[] counted = lane.ints(1 << DIGIT);
    int least = 0; // of the bits seen so far
    int left = chosen; // to be taken among those that begin with them
    for (int shift = Integer.SIZE; shift > 0; ) {
      int bits = Math.min(DIGIT, shift);
      shift -= bits;
      Arrays.fill(counted, 0, 1 << bits, 0);
      for (int s = 0; s < sees; s++) {
        int key = order(Memory.i32(scores + 4L * s));
        if (shift + bits == Integer.SIZE || key >>> shift + bits == least) {
          counted[key >>> shift & (1 << bits) - 1]++;
        }
      }
      int digit = (1 << bits) - 1;
      while (counted[digit] < left) {
        left -= counted[digit--];
      }
      least = least << bits | digit;
    }
    for (int s = 0, at = 0; at < chosen; s++) {
      int key = order(Memory.i32(scores + 4L * s));
      int above = Integer.compareUnsigned(key, least);
      if (above > 0 || above == 0 && left-- > 0) {
        Memory.i32(to + 4L * at++, pages.entry(sequence, s));
      }
    }
  }

  /** Unsigned numbers in the order of floats; NaN is the least, and the zeros are one. */
  private static int order(int bits) {
    if ((bits & 0x7fff_ffff) > 0x7f80_0000) {
      return 0;
    }
    return bits == 0x8000_0000 ? bits : bits < 0 ? ~bits : bits | 0x8000_0000;
  }
}
