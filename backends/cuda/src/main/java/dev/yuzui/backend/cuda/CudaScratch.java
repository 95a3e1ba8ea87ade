package dev.yuzui.backend.cuda;

import dev.yuzui.spi.ChunkedScratch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;

/** Device memory, given back when the queue closes. */
final class CudaScratch extends ChunkedScratch<CudaBuffer> implements AutoCloseable {
  private final Cu cu;

  CudaScratch(Cu cu) {
    super(16L << 20, 256);
    this.cu = cu;
  }

  @Override
  protected CudaBuffer allocate(long bytes, String purpose) {
    return new CudaBuffer(cu, bytes, purpose, _ -> {});
  }

  /** Address of {@code bytes} of memory in the current frame. */
  long bytes(String name, long bytes) {
    Tensor t = tensor(name, Encoding.I32, 1, Math.ceilDiv(bytes, 4L));
    return CudaBuffer.address(t, cu);
  }

  @Override
  public void close() {
    chunks().forEach(CudaBuffer::release);
    chunks().clear();
  }
}
