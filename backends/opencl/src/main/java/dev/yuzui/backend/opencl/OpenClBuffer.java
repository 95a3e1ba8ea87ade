package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DriverBuffer;
import dev.yuzui.spi.Tensor;
import java.util.function.Consumer;

/** Memory of one device. */
final class OpenClBuffer extends DriverBuffer {
  private final Cl cl;
  private final long handle;
  private final Consumer<OpenClBuffer> onClose;

  /**
   * @param onClose may refuse
   */
  OpenClBuffer(Cl cl, long bytes, String purpose, Consumer<OpenClBuffer> onClose) {
    super(bytes, purpose);
    this.cl = cl;
    this.onClose = onClose;
    this.handle = cl.allocate(bytes, purpose);
  }

  @Override
  protected void closing() {
    onClose.accept(this);
  }

  @Override
  protected void free() {
    cl.free(handle, byteSize(), purpose());
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
    b.requireHolds(t);
    return b;
  }
}
