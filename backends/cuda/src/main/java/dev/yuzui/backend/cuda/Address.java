package dev.yuzui.backend.cuda;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUstream;

/** JCuda's pointers with their numbers, which it keeps to itself. */
final class Address {
  private Address() {}

  /** Memory of a device at {@code address}. */
  static CUdeviceptr device(long address) {
    return new CUdeviceptr().withByteOffset(address);
  }

  /** Memory of the host at {@code address}, of an arena or mapped: never moved by the collector. */
  static Pointer host(long address) {
    return new Host(address);
  }

  /** What {@code cuMemAlloc} fills. */
  static final class Device extends CUdeviceptr {
    long value() {
      return getNativePointer() + getByteOffset();
    }
  }

  /** What {@code cuMemHostAlloc} fills, or an address of ours. */
  static final class Host extends Pointer {
    Host() {}

    private Host(long address) {
      super(address);
    }

    long value() {
      return getNativePointer() + getByteOffset();
    }
  }

  /** A kernel whose handle can be given to the driver beside JCuda. */
  static final class Function extends CUfunction {
    long value() {
      return getNativePointer();
    }
  }

  /** A stream whose handle can be given to the driver beside JCuda. */
  static final class Stream extends CUstream {
    long value() {
      return getNativePointer();
    }
  }
}
