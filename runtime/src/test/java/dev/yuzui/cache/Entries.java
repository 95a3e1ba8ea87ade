package dev.yuzui.cache;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Writes and reads entries as a step would: each tells all tokens up to its own, and its layer. */
final class Entries {
  private final Backend backend;
  private final KvCacheStore store;

  Entries(Backend backend, KvCacheStore store) {
    this.backend = backend;
    this.store = store;
  }

  /** Appends entries for {@code tokens[length …]}. */
  void append(Sequence sequence, int[] tokens) {
    int from = sequence.length();
    sequence.reserve(tokens.length - from);
    each(sequence, tokens, from, backend::write);
    sequence.advance(tokens.length - from);
  }

  /** Whether the sequence holds what was appended for {@code tokens}. */
  boolean areOf(Sequence sequence, int[] tokens) {
    boolean[] same = {sequence.length() == tokens.length};
    each(
        sequence,
        tokens,
        0,
        (rows, expected) -> {
          try (Arena arena = Arena.ofConfined()) {
            MemorySegment found = arena.allocate(expected.byteSize(), 4);
            backend.read(rows, found);
            same[0] &= found.mismatch(expected) < 0;
          }
        });
    return same[0];
  }

  private interface PageAction {
    void run(Tensor rows, MemorySegment values);
  }

  private void each(Sequence sequence, int[] tokens, int from, PageAction action) {
    int size = store.pageTokens();
    float[] values = new float[tokens.length];
    int hash = 1;
    for (int i = 0; i < tokens.length; i++) {
      hash = 31 * hash + tokens[i];
      values[i] = hash & 0xffff;
    }
    try (Arena arena = Arena.ofConfined()) {
      for (int stream = 0; stream < store.streams().size(); stream++) {
        Tensor all = store.streams().get(stream).entries();
        int cols = (int) all.cols();
        for (int at = from; at < tokens.length; ) {
          int count = Math.min(size - at % size, tokens.length - at);
          MemorySegment rows = arena.allocate(4L * count * cols, 4);
          for (int i = 0; i < count * cols; i++) {
            rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[at + i / cols] + stream);
          }
          long row = (long) sequence.page(at / size) * size + at % size;
          action.run(all.slice("entries", row, count), rows);
          at += count;
        }
      }
    }
  }
}
