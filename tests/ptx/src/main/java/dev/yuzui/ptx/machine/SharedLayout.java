package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.KernelCode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Where variables lie: each at a multiple of its declared alignment that is no multiple of twice
 * that. An assembler may do so, and does when a variable before it changes its size. Tables of
 * global memory are four gigabytes apart.
 */
final class SharedLayout {
  /**
   * Shared addresses are 32-bit ones of a window of their own; the first kilobyte is the system's.
   */
  static final int SHARED = 1 << 10;

  static final int LOCAL = 1 << 10;

  private static final int SLOT = 32;
  private static final long TABLES = 0x7e00L << SLOT;

  private final List<KernelCode.Table> tables;
  private final Map<String, Long> addresses = new HashMap<>();
  private final int dynamic;
  private final int localEnd;

  SharedLayout(KernelCode code) {
    long end = place(code.shared(), SHARED);
    dynamic = Math.toIntExact(place(code.dynamic(), end));
    localEnd = Math.toIntExact(place(code.local(), LOCAL));
    tables = code.tables();
    for (int i = 0; i < tables.size(); i++) {
      addresses.put(tables.get(i).name(), start(i));
    }
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

  private long start(int table) {
    return TABLES + ((long) table << SLOT) + (1 << 20) + tables.get(table).align();
  }

  /** The table that {@code address} belongs to, and where in it. */
  Optional<Access.Place> table(long address, int bytes) {
    long index = (address - TABLES) >> SLOT;
    if (index < 0 || index >= tables.size()) {
      return Optional.empty();
    }
    byte[] table = tables.get((int) index).bytes();
    long offset = address - start((int) index);
    return offset >= 0 && offset + bytes <= table.length
        ? Optional.of(new Access.Place(table, (int) offset))
        : Optional.empty();
  }

  /** Bytes of the window up to the end of {@code dynamicBytes} of dynamic shared memory. */
  int sharedBytes(int dynamicBytes) {
    return dynamic - SHARED + dynamicBytes;
  }

  int localBytes() {
    return localEnd - LOCAL;
  }
}
