package dev.yuzui.backend.reference;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;

/** Native memory, or a weight's borrowed memory with its FP8 scales. */
final class ReferenceBuffer implements DeviceBuffer {
  private final String purpose;
  private final MemorySegment data;
  private final Optional<MemorySegment> scales;
  private final Optional<Arena> arena;
  private final Consumer<ReferenceBuffer> onClose;
  private boolean closed;

  private ReferenceBuffer(
      String purpose,
      MemorySegment data,
      Optional<MemorySegment> scales,
      Optional<Arena> arena,
      Consumer<ReferenceBuffer> onClose) {
    this.purpose = purpose;
    this.data = data;
    this.scales = scales;
    this.arena = arena;
    this.onClose = onClose;
  }

  static ReferenceBuffer allocate(String purpose, long bytes, Consumer<ReferenceBuffer> onClose) {
    Arena arena = Arena.ofShared();
    MemorySegment data = arena.allocate(bytes, 64);
    return new ReferenceBuffer(purpose, data, Optional.empty(), Optional.of(arena), onClose);
  }

  static ReferenceBuffer borrow(HostTensor weight) {
    return new ReferenceBuffer(
        weight.name(), weight.data(), weight.scales(), Optional.empty(), _ -> {});
  }

  /** The tensor's numbers where they lie. */
  static HostTensor view(Tensor tensor) {
    if (!(tensor.buffer() instanceof ReferenceBuffer buffer)) {
      throw new IllegalArgumentException(tensor + " lies in the memory of another backend");
    }
    return new HostTensor(
        tensor.name(),
        tensor.encoding(),
        tensor.rows(),
        tensor.cols(),
        buffer.open(tensor).asSlice(tensor.byteOffset(), tensor.byteSize()),
        buffer.scales);
  }

  private MemorySegment open(Tensor tensor) {
    if (closed) {
      throw new BackendException(
          tensor + " lies in the closed buffer '" + purpose + "'",
          "close a buffer after the last op that uses it");
    }
    return data;
  }

  @Override
  public long byteSize() {
    return data.byteSize();
  }

  @Override
  public void close() {
    if (arena.isEmpty()) {
      throw new BackendException(
          "weight '" + purpose + "' was closed", "weights live until their backend closes");
    }
    if (closed) {
      throw new BackendException("buffer '" + purpose + "' was closed twice", "close it once");
    }
    closed = true;
    arena.get().close();
    onClose.accept(this);
  }

  @Override
  public String toString() {
    return "buffer '" + purpose + "' of " + byteSize() + " bytes";
  }
}
