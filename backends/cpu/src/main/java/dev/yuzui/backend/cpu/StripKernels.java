package dev.yuzui.backend.cpu;

import java.util.Optional;

/**
 * Products of weights in strips of {@value Packed#ROWS} rows, which lie as these kernels like them.
 */
interface StripKernels {
  boolean takes(StripType type);

  /** Bytes of a matrix in strips: as many for each. */
  long packedBytes(StripType type, long rows, long cols);

  /**
   * Rows as a file has them into strips.
   *
   * @param scales of FP8: of the one row of tiles that the rows lie in
   */
  void pack(StripType type, long file, long scales, long rows, long cols, long packed);

  /** Bytes of a row of activations for {@link #product}. */
  long preparedBytes(StripType type, long cols);

  /** Rows first ≤ i < last. */
  void prepare(PrepareOp.Source from, int first, int last, PrepareOp.Prepared to);

  /** Bytes that {@link #product} needs besides its arguments. */
  long temporaryBytes();

  /**
   * out[i][16·s + r] = row r of strip s times x[i], for first ≤ s < last and i < n.
   *
   * @param x address of n addresses of prepared rows
   * @param out address of n addresses
   */
  void product(Packed w, int first, int last, long x, int n, long out, Lane lane, long temporary);

  /** What multiplies many F32 vectors sooner than {@link #product} prepared ones, if anything. */
  default Optional<VectorPanels> panels() {
    return Optional.empty();
  }
}
