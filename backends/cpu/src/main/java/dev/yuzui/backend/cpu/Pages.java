package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;

/** Finds cache entries through the page table of a step. */
final class Pages {
  private final long table;
  private final long sequence;
  private final long kvLength;
  private final int perSequence;
  private final int pageTokens;
  private final long entries;
  private final int sequences;

  Pages(KvCache cache, StepBatch batch) {
    this.table = HostBuffer.address(batch.pages());
    this.sequence = HostBuffer.address(batch.sequence());
    this.kvLength = HostBuffer.address(batch.kvLength());
    this.perSequence = Math.toIntExact(batch.pages().cols());
    this.sequences = Math.toIntExact(batch.pages().rows());
    this.pageTokens = cache.pageTokens();
    this.entries = cache.entries().rows();
  }

  /** The sequence of row t, or −1 for padding. */
  int sequence(int t) {
    int s = Memory.i32(sequence + 4L * t);
    if (s >= sequences) {
      throw new BackendException(
          "row " + t + " is of sequence " + s + ", the page table has " + sequences,
          "give StepBatch.pages a row per sequence");
    }
    return s;
  }

  /** Entries that row t may see; 0 for padding. */
  int kvLength(int t) {
    return sequence(t) < 0 ? 0 : Memory.i32(kvLength + 4L * t);
  }

  /** Bytes of a YzPages. */
  static final long DESCRIPTION = 32;

  /**
   * Writes a YzPages for the entries first ≤ i < to of a sequence, which lie in the cache.
   *
   * @param before bytes of an entry before those that are read
   */
  void describe(Matrix cache, int sequence, int first, int to, long before, long at) {
    for (int i = first - first % pageTokens; i < to; i += pageTokens) {
      entry(sequence, Math.min(i + pageTokens, to) - 1);
    }
    Memory.i64(at, cache.data() + before);
    Memory.i64(at + 8, to == 0 ? 0 : table + 4L * sequence * perSequence);
    Memory.i64(at + 16, pageTokens);
    Memory.i64(at + 24, cache.rowBytes());
  }

  /** Row of the cache where entry {@code i} of a sequence lies. */
  int entry(int sequence, int i) {
    int page = i / pageTokens;
    if (i < 0 || page >= perSequence) {
      throw new BackendException(
          "entry " + i + " of sequence " + sequence + " lies behind its page table",
          "give StepBatch.pages more columns than " + perSequence);
    }
    int number = Memory.i32(table + 4L * (sequence * (long) perSequence + page));
    long row = number * (long) pageTokens + i % pageTokens;
    if (row < 0 || row >= entries) {
      throw new BackendException(
          "page " + number + " of sequence " + sequence + " is outside the cache",
          "the cache has " + entries / pageTokens + " pages");
    }
    return (int) row;
  }
}
