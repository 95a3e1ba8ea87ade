package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;

/**
 * What the rows of a step look at, as bits: entry e of a row's sequence is bit e % 64 of word e /
 * 64 of its {@link #words}. For attention that goes over all entries and leaves some out.
 */
final class ChosenBits {
  /**
   * How much longer a multiplication takes over entries that are gathered: of each 16 heads they
   * are decoded again, from rows that lie apart. Measured, see tests/results.
   */
  static final double GATHERED = 1.25;

  /** Entries that a row looks at, at most. */
  final int most;

  /** Of a row. */
  final int words;

  private final Pages pages;
  private final long rows;
  private final long counts;
  private final int tokens;
  private final long memory;

  /**
   * @param cache and {@code batch} as they were before the choice
   * @param memory of {@link #bytes}
   */
  ChosenBits(KvCache cache, StepBatch batch, MlaShape shape, Selection chosen, long memory) {
    this.most = Math.toIntExact(chosen.rows().cols());
    this.words = words(shape, chosen);
    this.pages = new Pages(cache, batch);
    this.rows = HostBuffer.address(chosen.rows());
    this.counts = HostBuffer.address(chosen.count());
    this.tokens = Math.toIntExact(chosen.rows().rows());
    this.memory = memory;
  }

  static long bytes(MlaShape shape, Selection chosen) {
    return 8L * chosen.rows().rows() * words(shape, chosen);
  }

  /**
   * For as many entries as a row may see and take fewer multiplications in the expanded form than
   * in the absorbed one over those that are chosen, however many rows share what is rebuilt. Where
   * one row of a run sees more, all of the run gather.
   */
  private static int words(MlaShape shape, Selection chosen) {
    long carry = (long) shape.kvLora() * (shape.nope() + shape.value());
    long gathered = carry + chosen.rows().cols() * (shape.entry() + shape.kvLora());
    return (int) Math.ceil(GATHERED * gathered / (64 * (shape.query() + shape.value())));
  }

  /** Whether there are bits for so many entries. */
  boolean hold(int entries) {
    return entries <= 64L * words;
  }

  /** Address of a row's words. */
  long at(int t) {
    return memory + 8L * words * t;
  }

  /** Writes them. */
  Op op() {
    return new RowOp(tokens, 64L * words) {
      @Override
      void row(int t, Lane lane) {
        long to = at(t);
        int sequence = pages.sequence(t);
        int count = Memory.i32(counts + 4L * t);
        long chosen = rows + 4L * t * most;
        int taken = 0;
        int sees = pages.kvLength(t);
        for (int word = 0; word < words; word++) {
          long bits = 0;
          for (int e = 64 * word; e < Math.min(64 * (word + 1), sees) && taken < count; e++) {
            if (pages.entry(sequence, e) == Memory.i32(chosen + 4L * taken)) {
              bits |= 1L << e;
              taken++;
            }
          }
          Memory.i64(to + 8L * word, bits);
        }
      }
    };
  }
}
