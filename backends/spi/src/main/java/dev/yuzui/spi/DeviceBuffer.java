package dev.yuzui.spi;

/**
 * Memory of a device; whoever allocated it closes it, once. Tensors borrow. A second close, and the
 * close of a weight's buffer, are {@link BackendException}s that name its purpose.
 */
public interface DeviceBuffer extends AutoCloseable {
  long byteSize();

  @Override
  void close();
}
