package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Ops.Gather;

/**
 * Which rows of a product meet which expert.
 *
 * @param offset address of the experts' first places, or 0 of a dense product
 * @param slot address of the slots in the order of their experts
 * @param used experts a token
 */
record Groups(long offset, long slot, int slots, int used, Gather gather) {
  /** Rows per expert from which gemm's large tiles pay. */
  private static final int LARGE_GROUP = 64;

  static final Groups NONE = new Groups(0, 0, 0, 1, Gather.BY_TOKEN);

  boolean dense() {
    return offset == 0;
  }

  /** Tokens whose choices the places are; of a dense product its rows. */
  long tokens(long rows) {
    return dense() ? rows : slots / used;
  }

  /**
   * Tiles of up to {@code size} rows, each of one expert's, that there may be: where slots are few,
   * each may be another expert's, where they are many, an expert's last one may be nearly empty.
   */
  long tiles(long rows, long size, int experts) {
    long together = Math.min(experts, slots);
    return dense() ? Math.ceilDiv(rows, size) : Math.max(1, (slots + (size - 1) * together) / size);
  }

  /** Whether there are rows enough for the largest tiles of gemm. */
  boolean many(long tokens, Weight w) {
    return dense() ? w.n() >= 512 && tokens >= 256 : slots() / w.experts() >= LARGE_GROUP;
  }
}
