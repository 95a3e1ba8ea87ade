package dev.yuzui.backend.reference;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.OpChecks;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;

final class ReferenceBackend implements Backend {
  private static final int MAX_TOKENS = 4096;

  /** Buffers and queues that must be closed before this. */
  private final Set<Object> open = Collections.synchronizedSet(new LinkedHashSet<>());

  private boolean closed;

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
  public DeviceBuffer allocate(long bytes, String purpose) {
    requireOpen();
    ReferenceBuffer buffer = ReferenceBuffer.allocate(purpose, bytes, open::remove);
    open.add(buffer);
    return buffer;
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
  public void write(Tensor to, MemorySegment from) {
    requireOpen();
    OpChecks.copy(to, from);
    ReferenceBuffer.view(to).data().copyFrom(from);
  }

  @Override
  public void read(Tensor from, MemorySegment to) {
    requireOpen();
    OpChecks.copy(from, to);
    to.copyFrom(ReferenceBuffer.view(from).data());
  }

  @Override
  public boolean receive(Tensor to, Backend source, Tensor from) {
    requireOpen();
    OpChecks.receive(to, from);
    if (!(source instanceof ReferenceBackend other)) {
      return false;
    }
    other.requireOpen();
    ReferenceBuffer.view(to).data().copyFrom(ReferenceBuffer.view(from).data());
    return true;
  }

  @Override
  public DeviceQueue openQueue() {
    requireOpen();
    ReferenceQueue queue = new ReferenceQueue(open::remove);
    open.add(queue);
    return queue;
  }

  private void requireOpen() {
    if (closed) {
      throw new BackendException("the reference backend is closed", "open another");
    }
  }

  @Override
  public void close() {
    if (closed) {
      throw new BackendException("the reference backend was closed twice", "close it once");
    }
    if (!open.isEmpty()) {
      throw new BackendException(
          "the reference backend was closed before "
              + open.stream().map(Object::toString).collect(Collectors.joining(", ")),
          "close them first");
    }
    closed = true;
  }
}
