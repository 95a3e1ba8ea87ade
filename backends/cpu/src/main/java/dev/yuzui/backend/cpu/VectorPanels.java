package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;

import java.lang.invoke.MethodHandle;

/**
 * Products of strips with many F32 vectors: {@link VectorPanelCodes} decodes a panel and multiplies
 * it. A row of a panel is summed column after column, whatever is beside it.
 */
final class VectorPanels {
  /** Rows of a panel. */
  static final int ROWS = 4 * L;

  /** Columns of a panel at most: whole blocks. */
  private static final int COLS = 256;

  private static final long PANEL = 4L * ROWS * COLS;

  /** Of groups of 16 columns, a scale and a minimum of 64 bytes. */
  private static final long SCALES = COLS / 16 * 128;

  /** A panel, and what decoding it takes. */
  static final long BYTES = PANEL + SCALES;

  private final MethodHandle blocks = Opaque.method(VectorPanelCodes.class, "blocks");
  private final MethodHandle minima = Opaque.method(VectorPanelCodes.class, "minima");
  private final MethodHandle sixteens = Opaque.method(VectorPanelCodes.class, "sixteens");
  private final MethodHandle nibbles = Opaque.method(VectorPanelCodes.class, "nibbles");
  private final MethodHandle more = Opaque.method(VectorPanelCodes.class, "more");
  private final MethodHandle bytes = Opaque.method(VectorPanelCodes.class, "bytes");
  private final MethodHandle four = Opaque.method(VectorPanelCodes.class, "four");

  /**
   * results[i − first][j] = w[row + j]·x[i] for first ≤ i < last; of j ≥ {@code rows} nothing is
   * said. {@code row} begins a strip. Results take room for a multiple of four vectors.
   *
   * @param panel {@link #BYTES} bytes
   */
  void multiply(
      Packed w, int row, int rows, long[] x, int first, int last, long panel, long results) {
    VectorRows.zero(results, ROWS * Math.ceilDiv(last - first, 4) * 4);
    try {
      for (int c = 0; c < w.cols(); c += COLS) {
        int count = Math.min(COLS, w.cols() - c);
        for (int v = 0; v < Math.ceilDiv(rows, L); v++) {
          decode(w, row + v * L, c, count, panel + PANEL, panel + 4L * L * v);
        }
        for (int i = first; i < last; i += 4) {
          long x0 = x[i] + 4L * c;
          long x1 = x[Math.min(i + 1, last - 1)] + 4L * c;
          long x2 = x[Math.min(i + 2, last - 1)] + 4L * c;
          long x3 = x[Math.min(i + 3, last - 1)] + 4L * c;
          four.invokeExact(panel, count, x0, x1, x2, x3, results + 4L * ROWS * (i - first));
        }
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** A vector of rows. */
  private void decode(Packed w, int first, int from, int count, long scales, long out)
      throws Throwable {
    VectorFormat format = VectorFormat.of(w.type());
    int row = first % Packed.ROWS;
    long strip = w.address() + first / Packed.ROWS * w.stripBytes();
    long headers = strip + format.header(from, w.cols());
    long codes = strip + format.codes(from) + 4L * row;
    int blocksHere = format.blocks(count);
    int units = format.units(count);
    switch (w.type()) {
      case Q4_K, Q5_K -> minima.invokeExact(headers, blocksHere, row, scales);
      case Q6_K -> sixteens.invokeExact(headers, blocksHere, row, scales);
      default -> {
        int bias = w.type() == StripType.Q4_0 ? 8 : 16;
        blocks.invokeExact(headers + 2L * row, blocksHere, bias, scales);
      }
    }
    switch (w.type()) {
      case Q4_0, Q4_K -> nibbles.invokeExact(codes, units, scales, out);
      case Q5_0, Q5_K -> more.invokeExact(codes, units, 8, 1, scales, out);
      case Q6_K -> more.invokeExact(codes, units, 4, 2, scales, out);
      default -> bytes.invokeExact(codes, units, scales, out);
    }
  }
}
