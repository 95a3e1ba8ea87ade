package dev.yuzui.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** Reads a GGUF header from front to back; nothing is allocated before its length is checked. */
final class GgufCursor {
  static final int I32 = 5;
  static final int BOOL = 7;
  static final int STRING = 8;
  static final int ARRAY = 9;

  /** Chat templates, the longest texts there are, take some ten thousand bytes. */
  private static final long MAX_TEXT = 16 << 20;

  private static final ByteOrder LITTLE = ByteOrder.LITTLE_ENDIAN;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE);
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE);
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE);

  private final Path file;
  private final MemorySegment bytes;
  private long position;
  private String what = "header";

  GgufCursor(Path file, MemorySegment bytes) {
    this.file = file;
    this.bytes = bytes;
  }

  /** Over bytes that an earlier pass has checked. */
  static GgufCursor trusted(MemorySegment bytes) {
    return new GgufCursor(Path.of(""), bytes);
  }

  /** Names what is being read, for messages. */
  GgufCursor reading(String what) {
    this.what = what;
    return this;
  }

  long position() {
    return position;
  }

  long remaining() {
    return bytes.byteSize() - position;
  }

  int u32() {
    return bytes.get(INT, advance(4));
  }

  long u64() {
    return bytes.get(LONG, advance(8));
  }

  /** A count of things that take at least {@code bytesEach} in what is left of the file. */
  long count(String of, long bytesEach) {
    long n = u64();
    if (n < 0 || n > remaining() / bytesEach) {
      throw new WeightException(
          file,
          what,
          "at most "
              + remaining() / bytesEach
              + " "
              + of
              + " in the "
              + remaining()
              + " bytes left",
          Long.toUnsignedString(n),
          "the file is damaged or cut off; download it again");
    }
    return n;
  }

  String string() {
    long length = count("bytes of text", 1);
    if (length > MAX_TEXT) {
      throw new WeightException(
          file,
          what,
          "a text of at most " + MAX_TEXT + " bytes",
          length + " bytes",
          "the file is damaged; download it again");
    }
    return GgufArray.text(bytes.asSlice(advance(length), length));
  }

  /** {@code length} bytes of text. */
  String text(int length) {
    if (length < 0 || length > remaining()) {
      throw new WeightException(
          file,
          what,
          "a text of at most the " + remaining() + " bytes left",
          Integer.toUnsignedString(length) + " bytes",
          "the file is damaged, or another than its name says");
    }
    return GgufArray.text(bytes.asSlice(advance(length), length));
  }

  /** A value of GGUF type {@code type}: Long, Double, Boolean, String or {@link GgufArray}. */
  Object value(int type) {
    return type == ARRAY ? array() : scalar(type);
  }

  Object scalar(int type) {
    return switch (type) {
      case 0 -> bytes.get(ValueLayout.JAVA_BYTE, advance(1)) & 0xffL;
      case 1 -> (long) bytes.get(ValueLayout.JAVA_BYTE, advance(1));
      case 2 -> bytes.get(SHORT, advance(2)) & 0xffffL;
      case 3 -> (long) bytes.get(SHORT, advance(2));
      case 4 -> u32() & 0xffffffffL;
      case 5 -> (long) u32();
      // the shortest decimal: 0.0707, which the converter wrote, not 0.0706999972
      case 6 -> Double.parseDouble(Float.toString(Float.intBitsToFloat(u32())));
      case BOOL -> bool();
      case STRING -> string();
      case 10, 11 -> u64();
      case 12 -> Double.longBitsToDouble(u64());
      default -> throw badType(type);
    };
  }

  private boolean bool() {
    byte b = bytes.get(ValueLayout.JAVA_BYTE, advance(1));
    if (b != 0 && b != 1) {
      throw new WeightException(
          file,
          what,
          "0 or 1 for a bool",
          "" + (b & 0xff),
          "the file is damaged; download it again");
    }
    return b == 1;
  }

  private GgufArray array() {
    int type = u32();
    long each =
        switch (type) {
          case 0, 1, BOOL -> 1;
          case 2, 3 -> 2;
          case 4, 5, 6 -> 4;
          case STRING, 10, 11, 12 -> 8;
          default -> throw badType(type);
        };
    long count = count("array elements", each);
    long start = position;
    if (type == STRING) {
      for (long i = 0; i < count; i++) {
        advance(count("bytes of text", 1));
      }
    } else {
      advance(count * each);
    }
    return new GgufArray(type, count, bytes.asSlice(start, position - start));
  }

  private WeightException badType(int type) {
    return new WeightException(
        file,
        what,
        "a GGUF value type, 0 to 12 and no array within an array",
        Integer.toUnsignedString(type),
        "the file is damaged; download it again");
  }

  private long advance(long n) {
    if (n > remaining()) {
      throw new WeightException(
          file,
          what,
          n + " more bytes at offset " + position,
          remaining() + " before the file ends",
          "the file is cut off; download it again");
    }
    long at = position;
    position += n;
    return at;
  }
}
