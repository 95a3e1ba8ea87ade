package dev.yuzui.ptx.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The buffers of a launch, and their addresses. */
public final class GlobalMemory {
  /**
   * As far apart as offsets of 32 bits reach, and above every window of shared and local memory.
   */
  private static final int SLOT = 32;

  private static final long FIRST = 0x7f00L << SLOT;
  private static final byte POISON = (byte) 0xff;

  /** What cuMemAlloc promises. */
  private static final int ALIGN = 256;

  private final List<GlobalBuffer> buffers = new ArrayList<>();

  public GlobalBuffer put(String name, GlobalBuffer.Role role, byte[] bytes) {
    return put(name, role, bytes, ALIGN);
  }

  /**
   * @param align what its address is a multiple of, and of no greater power of two
   */
  public GlobalBuffer put(String name, GlobalBuffer.Role role, byte[] bytes, int align) {
    long slot = FIRST + ((long) buffers.size() << SLOT);
    GlobalBuffer buffer = new GlobalBuffer(name, role, bytes.clone(), slot, (1 << 20) + align);
    buffers.add(buffer);
    return buffer;
  }

  public GlobalBuffer floats(String name, GlobalBuffer.Role role, float... values) {
    return put(name, role, bytes(values));
  }

  public GlobalBuffer ints(String name, GlobalBuffer.Role role, int... values) {
    ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    b.asIntBuffer().put(values);
    return put(name, role, b.array());
  }

  public GlobalBuffer longs(String name, GlobalBuffer.Role role, long... values) {
    ByteBuffer b = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    b.asLongBuffer().put(values);
    return put(name, role, b.array());
  }

  /** Room for what the kernel writes, NaN until then. */
  public GlobalBuffer output(String name, long bytes) {
    return output(name, bytes, ALIGN);
  }

  public GlobalBuffer output(String name, long bytes, int align) {
    byte[] poison = new byte[Math.toIntExact(bytes)];
    Arrays.fill(poison, POISON);
    return put(name, GlobalBuffer.Role.OUTPUT, poison, align);
  }

  public static byte[] bytes(float... values) {
    ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    b.asFloatBuffer().put(values);
    return b.array();
  }

  Optional<GlobalBuffer> at(long address) {
    long index = (address - FIRST) >> SLOT;
    return index >= 0 && index < buffers.size()
        ? Optional.of(buffers.get((int) index))
        : Optional.empty();
  }
}
