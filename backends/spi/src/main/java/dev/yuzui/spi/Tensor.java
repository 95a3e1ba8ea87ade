package dev.yuzui.spi;

/**
 * A view of device memory: never frees, never computes.
 *
 * @param name for messages and traces
 * @param byteOffset of the first element in {@code buffer}
 */
public record Tensor(
    String name, DeviceBuffer buffer, long byteOffset, Encoding encoding, long rows, long cols) {

  public long byteSize() {
    return encoding.byteSize(rows, cols);
  }

  /**
   * Rows {@code from} to {@code from + count} (no view of {@link Encoding.Fp8Tiled}, whose scales
   * span rows).
   */
  public Tensor slice(String name, long from, long count) {
    if (from < 0 || count < 0 || from + count > rows) {
      throw new IllegalArgumentException(
          this.name + ": rows " + from + "+" + count + " of a tensor of " + rows + " rows");
    }
    return new Tensor(
        name, buffer, byteOffset + encoding.byteSize(from, cols), encoding, count, cols);
  }

  /** The same numbers, row by row, as rows of another length; of encodings without blocks. */
  public Tensor reshaped(long rows, long cols) {
    if (!(encoding instanceof Encoding.Plain) || rows * cols != this.rows * this.cols) {
      throw new IllegalArgumentException(this + " is no [" + rows + ", " + cols + "]");
    }
    return new Tensor(name, buffer, byteOffset, encoding, rows, cols);
  }

  /**
   * For backends, before they work out an address.
   *
   * @throws BackendException if this reaches beyond its buffer
   */
  public void requireWithinBuffer() {
    long end = byteOffset + byteSize();
    if (byteOffset < 0 || end > buffer.byteSize()) {
      throw new BackendException(
          this + " ends at byte " + end + " of a buffer of " + buffer.byteSize() + " bytes",
          "make the buffer larger or the tensor smaller");
    }
  }

  @Override
  public String toString() {
    return name + " " + encoding.label() + " [" + rows + ", " + cols + "]";
  }
}
