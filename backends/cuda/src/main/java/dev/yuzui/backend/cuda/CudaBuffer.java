package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DriverBuffer;
import dev.yuzui.spi.Tensor;
import java.util.function.Consumer;

/** Memory of one device. */
final class CudaBuffer extends DriverBuffer {
  private final Cu cu;
  private final Address.Device memory;
  private final Consumer<CudaBuffer> onClose;

  /**
   * @param onClose may refuse
   */
  CudaBuffer(Cu cu, long bytes, String purpose, Consumer<CudaBuffer> onClose) {
    super(bytes, purpose);
    this.cu = cu;
    this.onClose = onClose;
    this.memory = cu.allocate(bytes, purpose);
  }

  @Override
  protected void closing() {
    onClose.accept(this);
  }

  @Override
  protected void free() {
    cu.free(memory, purpose());
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
    b.requireHolds(t);
    return b.address() + t.byteOffset();
  }
}
