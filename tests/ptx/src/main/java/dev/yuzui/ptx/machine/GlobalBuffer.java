package dev.yuzui.ptx.machine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * One allocation of global memory. No other lies within four gigabytes of it, so that an address
 * beyond its ends belongs to nobody.
 */
public final class GlobalBuffer {

  /** Who writes it. */
  public enum Role {
    /** Nobody while kernels run: weights, tables. */
    CONSTANT,
    /** A kernel before this one, which may still be running. */
    INPUT,
    /** This kernel, and nothing is in it before. */
    OUTPUT,
    /** A kernel before this one, and this one. */
    IN_PLACE
  }

  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  final String name;
  final Role role;
  final byte[] bytes;
  final long address;
  final Optional<Shadow> shadow;

  GlobalBuffer(String name, Role role, byte[] bytes, long slot, int start) {
    this.name = name;
    this.role = role;
    this.bytes = bytes;
    this.address = slot + start;
    this.shadow =
        writable() ? Optional.of(new Shadow(bytes.length, role == Role.OUTPUT)) : Optional.empty();
  }

  boolean writable() {
    return role == Role.OUTPUT || role == Role.IN_PLACE;
  }

  boolean fromPredecessor() {
    return role == Role.INPUT || role == Role.IN_PLACE;
  }

  public long address() {
    return address;
  }

  public int size() {
    return bytes.length;
  }

  public byte[] content() {
    return bytes.clone();
  }

  public float f32(long index) {
    return Float.intBitsToFloat(i32(index));
  }

  public int i32(long index) {
    return (int) INT.get(bytes, Math.toIntExact(4 * index));
  }

  public long i64(long index) {
    return (long) LONG.get(bytes, Math.toIntExact(8 * index));
  }

  public float f16(long index) {
    return Float.float16ToFloat((short) SHORT.get(bytes, Math.toIntExact(2 * index)));
  }

  @Override
  public String toString() {
    return name + " of " + bytes.length + " bytes, " + role;
  }
}
