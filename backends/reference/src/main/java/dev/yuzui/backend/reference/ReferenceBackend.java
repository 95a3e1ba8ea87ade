package dev.yuzui.backend.reference;

import dev.yuzui.spi.AbstractBackend;
import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Set;

final class ReferenceBackend extends AbstractBackend {
  private static final int MAX_TOKENS = 4096;

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public Capabilities capabilities() {
    return new Capabilities(
        Set.copyOf(Encoding.all()),
        Set.copyOf(Encoding.caches()),
        MAX_TOKENS,
        MAX_TOKENS,
        MAX_TOKENS,
        false,
        true);
  }

  @Override
  public String description() {
    return "reference: plain loops on one thread, sums in double";
  }

  @Override
  protected DeviceBuffer newBuffer(long bytes, String purpose) {
    return ReferenceBuffer.allocate(purpose, bytes, this::forget);
  }

  /** Borrows: rows are decoded while they are multiplied. */
  @Override
  public Tensor upload(HostTensor weight) {
    requireOpen();
    if (weight.encoding() instanceof Encoding.Fp8Tiled && weight.scales().isEmpty()) {
      throw new IllegalArgumentException(weight + " comes without its scales");
    }
    return new Tensor(
        weight.name(),
        ReferenceBuffer.borrow(weight),
        0,
        weight.encoding(),
        weight.rows(),
        weight.cols());
  }

  @Override
  protected void copyIn(Tensor to, MemorySegment from) {
    ReferenceBuffer.view(to).data().copyFrom(from);
  }

  @Override
  protected void copyOut(Tensor from, MemorySegment to) {
    to.copyFrom(ReferenceBuffer.view(from).data());
  }

  @Override
  protected boolean copyFrom(Backend source, Tensor from, Tensor to) {
    if (!(source instanceof ReferenceBackend other)) {
      return false;
    }
    other.requireOpen();
    ReferenceBuffer.view(to).data().copyFrom(ReferenceBuffer.view(from).data());
    return true;
  }

  @Override
  protected AbstractQueue newQueue() {
    return new ReferenceQueue(this);
  }

  @Override
  protected void release() {
    // weights are borrowed
  }
}
