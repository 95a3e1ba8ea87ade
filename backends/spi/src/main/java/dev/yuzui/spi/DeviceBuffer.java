package dev.yuzui.spi;

/** Memory of a device; whoever allocated it closes it, once. Tensors borrow. */
public interface DeviceBuffer extends AutoCloseable {
  long byteSize();

  @Override
  void close();
}
