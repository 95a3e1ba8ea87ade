package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.KernelCode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Where variables lie: each at a multiple of its declared alignment that is no multiple of twice
 * that. An assembler may do so, and does when a variable before it changes its size.
 */
final class SharedLayout {
  /**
   * Shared addresses are 32-bit ones of a window of their own; the first kilobyte is the system's.
   */
  static final int SHARED = 1 << 10;

  static final int LOCAL = 1 << 10;

  private final Map<String, Long> addresses = new HashMap<>();
  private final int dynamic;
  private final int localEnd;

  SharedLayout(KernelCode code) {
    long end = place(code.shared(), SHARED);
    dynamic = Math.toIntExact(place(code.dynamic(), end));
    localEnd = Math.toIntExact(place(code.local(), LOCAL));
  }

  private long place(List<KernelCode.Variable> variables, long from) {
    long at = from;
    for (KernelCode.Variable v : variables) {
      at = Math.ceilDiv(at, 2L * v.align()) * 2 * v.align() + v.align();
      addresses.put(v.name(), at);
      at += v.bytes();
    }
    return at;
  }

  OptionalLong address(String variable) {
    Long at = addresses.get(variable);
    return at == null ? OptionalLong.empty() : OptionalLong.of(at);
  }

  /** Bytes of the window up to the end of {@code dynamicBytes} of dynamic shared memory. */
  int sharedBytes(int dynamicBytes) {
    return dynamic - SHARED + dynamicBytes;
  }

  int localBytes() {
    return localEnd - LOCAL;
  }
}
