package dev.yuzui.backend.opencl;

import dev.yuzui.spi.ChunkedScratch;

/** Device memory, given back when the queue closes. */
final class OpenClScratch extends ChunkedScratch<OpenClBuffer> implements AutoCloseable {
  private final Cl cl;

  OpenClScratch(Cl cl) {
    super(16L << 20, Layout.ALIGN);
    this.cl = cl;
  }

  @Override
  protected OpenClBuffer allocate(long bytes, String purpose) {
    return new OpenClBuffer(cl, bytes, purpose, _ -> {});
  }

  @Override
  public void close() {
    chunks().forEach(OpenClBuffer::release);
    chunks().clear();
  }
}
