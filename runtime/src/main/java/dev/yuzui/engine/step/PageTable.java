package dev.yuzui.engine.step;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.step.StepInputs.Allocator;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;

/**
 * The pages of each sequence in device memory, [sequences, pages], with host staging beside it. A
 * step looks at the pages that are new to it and writes the rows that changed: a table of a
 * thousand sequences has megabytes.
 */
final class PageTable {
  /** A write takes about as long as copying so many bytes more. */
  private static final long WRITE_BYTES = 16 << 10;

  private final Backend backend;
  private final Tensor pages;
  private final MemorySegment staging;

  // of each row, what it was filled from, and how far
  private final long[] stamps;
  private final int[] filled;

  // rows that the device lacks, and which of their pages
  private final BitSet changed = new BitSet();
  private final int[] from;
  private final int[] to;

  PageTable(Backend backend, KvCacheStore cache, Allocator allocator, Arena arena) {
    this.backend = backend;
    int rows = cache.maxSequences();
    pages = allocator.allocate("pages", Encoding.I32, rows, cache.pagesPerSequence());
    staging = arena.allocate(pages.byteSize(), 64);
    stamps = new long[rows];
    filled = new int[rows];
    from = new int[rows];
    to = new int[rows];
    changed.set(0, rows);
    for (int row = 0; row < rows; row++) {
      to[row] = Math.toIntExact(pages.cols()); // what memory held before
    }
  }

  Tensor pages() {
    return pages;
  }

  /** Takes the sequence's pages over. */
  void fill(Sequence sequence) {
    int row = sequence.slot();
    int known = stamps[row] == sequence.pagesStamp() ? filled[row] : 0;
    for (int p = known; p < sequence.pageCount(); p++) {
      put(row, p, sequence.page(p));
    }
    stamps[row] = sequence.pagesStamp();
    filled[row] = sequence.pageCount();
  }

  private void put(int row, int index, int page) {
    long at = row * pages.cols() + index;
    if (staging.getAtIndex(ValueLayout.JAVA_INT, at) == page) {
      return;
    }
    staging.setAtIndex(ValueLayout.JAVA_INT, at, page);
    from[row] = changed.get(row) ? Math.min(from[row], index) : index;
    to[row] = changed.get(row) ? Math.max(to[row], index + 1) : index + 1;
    changed.set(row);
  }

  /** Brings to the device what it lacks. */
  void write() {
    if (changed.isEmpty()) {
      return;
    }
    if (changed.cardinality() * WRITE_BYTES >= pages.byteSize()) {
      backend.write(pages, staging);
    } else {
      changed.stream().forEach(this::write);
    }
    changed.clear();
  }

  private void write(int row) {
    long at = 4 * (row * pages.cols() + from[row]);
    int count = to[row] - from[row];
    backend.write(
        new Tensor("pages", pages.buffer(), pages.byteOffset() + at, Encoding.I32, 1, count),
        staging.asSlice(at, 4L * count));
  }
}
