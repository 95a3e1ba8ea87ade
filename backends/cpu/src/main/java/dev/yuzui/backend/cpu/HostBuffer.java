package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Host memory: of our own, or a weight where it is mapped.
 *
 * @param scales F32 scales that lie apart from FP8 codes
 * @param packed the weight once more, in strips; single rows are read from {@code data}
 * @param onClose frees memory of our own
 */
record HostBuffer(
    String purpose,
    MemorySegment data,
    Optional<MemorySegment> scales,
    Optional<Packed> packed,
    Runnable onClose)
    implements DeviceBuffer {

  /** Buffers are compared by identity: two of them may hold equal segments. */
  @Override
  public boolean equals(Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  @Override
  public String toString() {
    return "the buffer for " + purpose;
  }

  @Override
  public long byteSize() {
    return data.byteSize();
  }

  @Override
  public void close() {
    onClose.run();
  }

  /** Address of {@code t}'s first byte, once it is known to lie within its buffer. */
  static long address(Tensor t) {
    return of(t).data.address() + t.byteOffset();
  }

  /** The memory of {@code t}. */
  static MemorySegment data(Tensor t) {
    return of(t).data.asSlice(t.byteOffset(), t.byteSize());
  }

  /** Address of the scales of {@code t}, or 0. */
  static long scaleAddress(Tensor t) {
    if (!(t.encoding() instanceof Encoding.Fp8Tiled)) {
      return 0;
    }
    return of(t)
        .scales
        .orElseThrow(
            () ->
                new BackendException(
                    t + " has no scales", "upload FP8 weights with HostTensor.scales"))
        .address();
  }

  /** The strips of {@code t}, if it is a weight that has some, or the first rows of one. */
  static Optional<Packed> packed(Tensor t) {
    return of(t)
        .packed
        .filter(p -> t.byteOffset() == 0 && t.rows() <= p.rows())
        .map(p -> p.first(Math.toIntExact(t.rows())));
  }

  private static HostBuffer of(Tensor t) {
    if (!(t.buffer() instanceof HostBuffer b)) {
      throw new BackendException(
          t + " lies on another device", "upload or copy it to the cpu backend first");
    }
    t.requireWithinBuffer();
    return b;
  }
}
