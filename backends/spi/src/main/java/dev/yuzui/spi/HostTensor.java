package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A weight as it lies in a mapped file or in native memory, before a backend takes it. Checked by
 * who made it: {@code data} holds exactly {@code encoding.byteSize(rows, cols)} bytes.
 *
 * @param data native or mapped memory that outlives the backend
 * @param scales F32 scales of {@link Encoding.Fp8Tiled}, else empty
 */
public record HostTensor(
    String name,
    Encoding encoding,
    long rows,
    long cols,
    MemorySegment data,
    Optional<MemorySegment> scales) {

  public HostTensor {
    long want = encoding.byteSize(rows, cols);
    if (data.byteSize() != want) {
      throw new IllegalArgumentException(
          name
              + ": "
              + encoding.label()
              + " ["
              + rows
              + ", "
              + cols
              + "] takes "
              + want
              + " bytes, given "
              + data.byteSize());
    }
  }

  public static HostTensor of(
      String name, Encoding encoding, long rows, long cols, MemorySegment data) {
    return new HostTensor(name, encoding, rows, cols, data, Optional.empty());
  }

  public long elements() {
    return rows * cols;
  }

  /** Bytes in the checkpoint, scales included. */
  public long byteSize() {
    return data.byteSize() + scales.map(MemorySegment::byteSize).orElse(0L);
  }

  @Override
  public String toString() {
    return name + " " + encoding.label() + " [" + rows + ", " + cols + "]";
  }
}
