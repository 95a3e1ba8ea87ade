package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A weight as it lies in a mapped file or in native memory, before a backend takes it. Checked by
 * who made it: {@code data} holds exactly {@code encoding.byteSize(rows, cols)} bytes, unless the
 * weight repeats it.
 *
 * @param data native or mapped memory that outlives the backend; see {@link Backend#borrowsExperts}
 * @param scales F32 scales of {@link Encoding.Fp8Tiled}, else empty
 * @param repeatsFrom if present, the weight's bytes are {@code data}'s from this one on, read round
 *     and round; only backends that say {@link Backend#repeats} take such a weight
 */
public record HostTensor(
    String name,
    Encoding encoding,
    long rows,
    long cols,
    MemorySegment data,
    Optional<MemorySegment> scales,
    OptionalLong repeatsFrom) {

  public HostTensor {
    long want = encoding.byteSize(rows, cols);
    if (repeatsFrom.isPresent()) {
      long start = repeatsFrom.getAsLong();
      int block = encoding.blockBytes();
      if (start < 0
          || start >= data.byteSize()
          || start % block != 0
          || data.byteSize() % block != 0) {
        throw new IllegalArgumentException(
            "%s: repeats %d bytes from byte %d, expected whole blocks of %d bytes"
                .formatted(name, data.byteSize(), start, block));
      }
    } else if (data.byteSize() != want) {
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

  public HostTensor(
      String name,
      Encoding encoding,
      long rows,
      long cols,
      MemorySegment data,
      Optional<MemorySegment> scales) {
    this(name, encoding, rows, cols, data, scales, OptionalLong.empty());
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
    return encoding.byteSize(rows, cols) + scales.map(MemorySegment::byteSize).orElse(0L);
  }

  /** The weight with all its bytes in {@code out}, which has room for exactly them. */
  public HostTensor writtenOut(MemorySegment out) {
    long from = repeatsFrom.orElse(0);
    for (long at = 0; at < out.byteSize(); from = 0) {
      long run = Math.min(data.byteSize() - from, out.byteSize() - at);
      MemorySegment.copy(data, from, out, at, run);
      at += run;
    }
    return new HostTensor(name, encoding, rows, cols, out, scales);
  }

  @Override
  public String toString() {
    return name + " " + encoding.label() + " [" + rows + ", " + cols + "]";
  }
}
