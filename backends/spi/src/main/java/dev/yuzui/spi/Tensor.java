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

  @Override
  public String toString() {
    return name + " " + encoding.label() + " [" + rows + ", " + cols + "]";
  }
}
