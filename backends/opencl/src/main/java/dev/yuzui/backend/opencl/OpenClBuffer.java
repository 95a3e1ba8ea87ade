package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Tensor;
import java.util.function.Consumer;

/** Memory of one device. */
final class OpenClBuffer implements DeviceBuffer {
  private final Cl cl;
  private final String purpose;
  private final long bytes;
  private final long handle;
  private final Consumer<OpenClBuffer> onClose;
  private volatile boolean closed;

  /**
   * @param onClose may refuse
   */
  OpenClBuffer(Cl cl, long bytes, String purpose, Consumer<OpenClBuffer> onClose) {
    this.cl = cl;
    this.purpose = purpose;
    this.bytes = bytes;
    this.onClose = onClose;
    this.handle = cl.allocate(bytes, purpose);
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
    cl.free(handle, bytes, purpose);
  }

  /** The driver's cl_mem. */
  long handle() {
    return handle;
  }

  /** cl_mem of {@link #of}. */
  static long handle(Tensor t, Cl cl) {
    return of(t, cl).handle;
  }

  /** The buffer of {@code t}, once {@code t} is known to lie within memory of {@code cl}. */
  static OpenClBuffer of(Tensor t, Cl cl) {
    if (!(t.buffer() instanceof OpenClBuffer b) || b.cl != cl) {
      throw new BackendException(
          t + " does not lie on " + cl.device().label(), "upload or copy it to this device first");
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
    return b;
  }

  @Override
  public String toString() {
    return "the buffer for " + purpose;
  }
}
