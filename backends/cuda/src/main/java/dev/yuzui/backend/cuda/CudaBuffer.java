package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Tensor;
import java.util.function.Consumer;

/** Memory of one device. */
final class CudaBuffer implements DeviceBuffer {
  private final Cu cu;
  private final String purpose;
  private final long bytes;
  private final Address.Device memory;
  private final Consumer<CudaBuffer> onClose;
  private volatile boolean closed;

  /**
   * @param onClose may refuse
   */
  CudaBuffer(Cu cu, long bytes, String purpose, Consumer<CudaBuffer> onClose) {
    this.cu = cu;
    this.purpose = purpose;
    this.bytes = bytes;
    this.onClose = onClose;
    this.memory = cu.allocate(bytes, purpose);
  }

  String purpose() {
    return purpose;
  }

  @Override
  public long byteSize() {
    return bytes;
  }

  @Override
  public void close() {
    if (closed) {
      throw new BackendException(
          "the buffer for " + purpose + " was closed twice", "close it once");
    }
    onClose.accept(this);
    release();
  }

  /** Gives the memory back, whoever asks. */
  void release() {
    closed = true;
    cu.free(memory, purpose);
  }

  /** Where this buffer lies. */
  long address() {
    return memory.value();
  }

  /** Address of {@code t}'s first byte, once it is known to lie within memory of {@code cu}. */
  static long address(Tensor t, Cu cu) {
    if (!(t.buffer() instanceof CudaBuffer b) || b.cu != cu) {
      throw new BackendException(
          t + " does not lie on " + cu.device().label(), "upload or copy it to this device first");
    }
    if (b.closed) {
      throw new BackendException(
          t + " lies in the closed buffer for " + b.purpose,
          "close a buffer after the last op that uses it");
    }
    long end = t.byteOffset() + t.byteSize();
    if (t.byteOffset() < 0 || end > b.bytes) {
      throw new BackendException(
          t + " ends at byte " + end + " of a buffer of " + b.bytes + " bytes",
          "make the buffer larger or the tensor smaller");
    }
    return b.address() + t.byteOffset();
  }

  @Override
  public String toString() {
    return "the buffer for " + purpose;
  }
}
