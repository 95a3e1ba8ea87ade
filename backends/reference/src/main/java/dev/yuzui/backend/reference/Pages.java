package dev.yuzui.backend.reference;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.StepBatch;

/** Entry i of sequence s lies at row pages[s, i / pageTokens]·pageTokens + i % pageTokens. */
final class Pages {
  private final KvCache cache;
  private final Matrix entries;
  private final Matrix pages;

  Pages(KvCache cache, StepBatch batch) {
    this.cache = cache;
    this.entries = Matrix.of(cache.entries());
    this.pages = Matrix.of(batch.pages());
  }

  int row(int sequence, int i) {
    int page = i / cache.pageTokens();
    if (sequence >= pages.rows() || page >= pages.cols()) {
      throw new IndexOutOfBoundsException(
          "page %d of sequence %d in a page table [%d, %d]"
              .formatted(page, sequence, pages.rows(), pages.cols()));
    }
    return pages.integer(sequence, page) * cache.pageTokens() + i % cache.pageTokens();
  }

  float[][] first(int count, int sequence) {
    float[][] rows = new float[count][];
    for (int i = 0; i < count; i++) {
      rows[i] = entries.row(row(sequence, i));
    }
    return rows;
  }

  void store(int sequence, int i, double[]... parts) {
    float[] entry = new float[entries.cols()];
    int to = 0;
    for (double[] part : parts) {
      for (double number : part) {
        entry[to++] = (float) number;
      }
    }
    var encoding = cache.entries().encoding();
    long at = encoding.byteSize(row(sequence, i), entry.length);
    Quantizer.encode(encoding, entry, 0, entry.length, entries.data(), at);
  }
}
