package dev.yuzui.weights;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A value of GGUF metadata as a file has it: its type, then its bytes. */
public final class GgufValue {
  private static final int U16 = 2;
  private static final int U32 = 4;
  private static final int I32 = 5;
  private static final int F32 = 6;

  private final MemorySegment bytes;

  private GgufValue(MemorySegment bytes) {
    this.bytes = bytes;
  }

  private GgufValue(byte[] bytes) {
    this(MemorySegment.ofArray(bytes));
  }

  /** A value that lies in a file, good as long as the file is open. */
  static GgufValue stored(MemorySegment typeAndBytes) {
    return new GgufValue(typeAndBytes);
  }

  public static GgufValue u16(int value) {
    return new GgufValue(room(6).putInt(U16).putShort((short) value).array());
  }

  public static GgufValue u32(long value) {
    return new GgufValue(room(8).putInt(U32).putInt((int) value).array());
  }

  public static GgufValue i32(int value) {
    return new GgufValue(room(8).putInt(I32).putInt(value).array());
  }

  public static GgufValue f32(double value) {
    return new GgufValue(room(8).putInt(F32).putFloat((float) value).array());
  }

  public static GgufValue bool(boolean value) {
    return new GgufValue(room(5).putInt(GgufCursor.BOOL).put((byte) (value ? 1 : 0)).array());
  }

  public static GgufValue bools(List<Boolean> values) {
    byte[] bytes = new byte[16 + values.size()];
    ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(GgufCursor.ARRAY).putInt(GgufCursor.BOOL).putLong(values.size());
    values.forEach(value -> out.put((byte) (value ? 1 : 0)));
    return new GgufValue(bytes);
  }

  public static GgufValue text(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    return new GgufValue(
        room(12 + utf8.length).putInt(GgufCursor.STRING).putLong(utf8.length).put(utf8).array());
  }

  public static GgufValue texts(List<String> values) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(16 * values.size());
    out.writeBytes(
        room(16).putInt(GgufCursor.ARRAY).putInt(GgufCursor.STRING).putLong(values.size()).array());
    for (String value : values) {
      byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
      out.writeBytes(room(8).putLong(utf8.length).array());
      out.writeBytes(utf8);
    }
    return new GgufValue(out.toByteArray());
  }

  public static GgufValue integers(int[] values) {
    byte[] bytes = new byte[16 + 4 * values.length];
    ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(GgufCursor.ARRAY).putInt(I32).putLong(values.length);
    for (int value : values) {
      out.putInt(value);
    }
    return new GgufValue(bytes);
  }

  public static GgufValue floats(List<Float> values) {
    byte[] bytes = new byte[16 + 4 * values.size()];
    ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(GgufCursor.ARRAY).putInt(F32).putLong(values.size());
    values.forEach(out::putFloat);
    return new GgufValue(bytes);
  }

  private static ByteBuffer room(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  public void writeTo(ByteArrayOutputStream out) {
    out.writeBytes(bytes.toArray(ValueLayout.JAVA_BYTE));
  }
}
