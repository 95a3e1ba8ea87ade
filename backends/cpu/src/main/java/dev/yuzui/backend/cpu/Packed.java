package dev.yuzui.backend.cpu;

/**
 * A weight in strips of {@value #ROWS} rows, as the {@link StripKernels} at hand have them.
 *
 * @param bytes of all strips; the last one is padded
 * @param beforeUse is run before strips are read, by any thread, and throws where they must not be;
 *     nearly always it has nothing to do
 */
record Packed(StripType type, long address, int rows, int cols, long bytes, Runnable beforeUse) {
  /** Rows of a strip. */
  static final int ROWS = 16;

  /** In memory of our own. */
  Packed(StripType type, long address, int rows, int cols, long bytes) {
    this(type, address, rows, cols, bytes, () -> {});
  }

  /** Whether what is prepared for one is prepared for the other. */
  boolean sharesActivations(Packed other) {
    return cols == other.cols && type.activations == other.type.activations;
  }

  /** Of its rows the first {@code count}, whole strips. */
  Packed first(int count) {
    return count == rows
        ? this
        : new Packed(
            type, address, count, cols, stripBytes() * Math.ceilDiv(count, ROWS), beforeUse);
  }

  int strips() {
    return Math.ceilDiv(rows, ROWS);
  }

  long stripBytes() {
    return bytes / strips();
  }
}
