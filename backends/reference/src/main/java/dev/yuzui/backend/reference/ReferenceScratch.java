package dev.yuzui.backend.reference;

import dev.yuzui.spi.ChunkedScratch;

/** Host memory, given back when the queue closes. */
final class ReferenceScratch extends ChunkedScratch<ReferenceBuffer> implements AutoCloseable {
  ReferenceScratch() {
    super(1L << 20, 64);
  }

  @Override
  protected ReferenceBuffer allocate(long bytes, String purpose) {
    return ReferenceBuffer.allocate(purpose, bytes, _ -> {});
  }

  @Override
  public void close() {
    chunks().forEach(ReferenceBuffer::close);
  }
}
