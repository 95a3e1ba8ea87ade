package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dequantizer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The address space as one segment. Kernels take plain addresses: a constant segment costs them no
 * liveness check, weights mapped from a file and buffers of our own share one access path, and C
 * kernels take the same arguments. Tensors are checked against their buffers when an op is
 * enqueued, never inside a kernel.
 */
final class Memory {
  @SuppressWarnings("restricted")
  static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LE);
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LE);
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);

  private Memory() {}

  static float f32(long address) {
    return ALL.get(FLOAT, address);
  }

  static void f32(long address, float value) {
    ALL.set(FLOAT, address, value);
  }

  static int i32(long address) {
    return ALL.get(INT, address);
  }

  static void i32(long address, int value) {
    ALL.set(INT, address, value);
  }

  static long i64(long address) {
    return ALL.get(LONG, address);
  }

  static void i64(long address, long value) {
    ALL.set(LONG, address, value);
  }

  static int i16(long address) {
    return ALL.get(SHORT, address);
  }

  static void i16(long address, short value) {
    ALL.set(SHORT, address, value);
  }

  static void i8(long address, byte value) {
    ALL.set(ValueLayout.JAVA_BYTE, address, value);
  }

  static int i8(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address);
  }

  static int u8(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address) & 0xff;
  }

  static float f16(long address) {
    return Float.float16ToFloat(ALL.get(SHORT, address));
  }

  static float bf16(long address) {
    return Float.intBitsToFloat(ALL.get(SHORT, address) << 16);
  }

  static float e4m3(long address) {
    return Dequantizer.e4m3(ALL.get(ValueLayout.JAVA_BYTE, address));
  }

  static void copy(long from, long to, long bytes) {
    MemorySegment.copy(ALL, from, ALL, to, bytes);
  }
}
