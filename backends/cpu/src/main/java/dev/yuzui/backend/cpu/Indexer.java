package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import java.util.Arrays;
import java.util.List;

/** {@link dev.yuzui.spi.Ops#select}: {@link IndexScores}, then the largest by their bits. */
final class Indexer {
  /** Keys of a chunk of work, where few rows share it out. */
  private static final int PART = 1024;

  /** Bits of a score that are looked at in a pass. */
  private static final int DIGIT = 11;

  private final IndexScores scores;
  private final Pages pages;
  private final int tokens;
  private final int most;
  private final int capacity;
  private final long rows;
  private final long sequences;
  private final long counts;

  Indexer(IndexScores scores, KvCache keys, StepBatch batch, Selection out) {
    this.scores = scores;
    this.pages = new Pages(keys, batch);
    this.tokens = Math.toIntExact(out.rows().rows());
    this.most = Math.toIntExact(out.rows().cols());
    this.capacity = Math.toIntExact(batch.pages().cols() * keys.pageTokens());
    this.rows = HostBuffer.address(out.rows());
    this.sequences = HostBuffer.address(out.sequence());
    this.counts = HostBuffer.address(out.count());
  }

  /** Bytes that the ops of {@link #split} share. */
  long splitBytes() {
    return tokens * rowBytes();
  }

  /** Of a row's queries made ready, and its scores. */
  private long rowBytes() {
    return lines(scores.readyBytes()) + lines(4L * capacity);
  }

  long splitLaneBytes() {
    return scores.laneBytes();
  }

  long wholeLaneBytes() {
    return lines(splitLaneBytes()) + rowBytes();
  }

  int laneRows() {
    return scores.laneRows();
  }

  private static long lines(long bytes) {
    return Math.ceilDiv(bytes, 64) * 64L;
  }

  private boolean chooses(int t) {
    return pages.kvLength(t) > most;
  }

  private long scoresAt(long row) {
    return row + lines(scores.readyBytes());
  }

  /** For few rows: parts of their keys are chunks. */
  List<Op> split(long memory) {
    Op ready =
        new RowOp(tokens, scores.readyBytes()) {
          @Override
          void row(int t, Lane lane) {
            if (chooses(t)) {
              scores.ready(t, lane, memory + t * rowBytes());
            }
          }
        };
    Op score =
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
            if (from < to && chooses(t)) {
              long row = memory + t * rowBytes();
              scores.score(t, row, from, to, scoresAt(row), lane);
            }
          }
        };
    Op choose =
        new RowOp(tokens, 16L * capacity) {
          @Override
          void row(int t, Lane lane) {
            choose(lane, t, scoresAt(memory + t * rowBytes()));
          }
        };
    return List.of(ready, score, choose);
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
        long row = lane.memory() + lines(splitLaneBytes());
        if (chooses(t)) {
          scores.ready(t, lane, row);
          scores.score(t, row, 0, pages.kvLength(t), scoresAt(row), lane);
        }
        choose(lane, t, scoresAt(row));
      }
    };
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
