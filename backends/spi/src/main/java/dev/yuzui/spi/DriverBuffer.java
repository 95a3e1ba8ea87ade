package dev.yuzui.spi;

/** Memory that a driver gave; what closes it tells the backend first, which may refuse. */
public abstract class DriverBuffer implements DeviceBuffer {
  private final String purpose;
  private final long bytes;
  private volatile boolean closed;

  protected DriverBuffer(long bytes, String purpose) {
    this.purpose = purpose;
    this.bytes = bytes;
  }

  /** {@link #close}, before the memory goes. */
  protected abstract void closing();

  /** Gives the memory back to the driver. */
  protected abstract void free();

  public final String purpose() {
    return purpose;
  }

  @Override
  public final long byteSize() {
    return bytes;
  }

  @Override
  public final void close() {
    if (closed) {
      throw new BackendException(this + " was closed twice", "close it once");
    }
    closing();
    release();
  }

  /** Gives the memory back, whoever asks. */
  public final void release() {
    closed = true;
    free();
  }

  /** That {@code t}, whose buffer this is, lies within memory that is there. */
  protected final void requireHolds(Tensor t) {
    if (closed) {
      throw new BackendException(
          t + " lies in the closed buffer for " + purpose,
          "close a buffer after the last op that uses it");
    }
    t.requireWithinBuffer();
  }

  @Override
  public final String toString() {
    return "the buffer for " + purpose;
  }
}
