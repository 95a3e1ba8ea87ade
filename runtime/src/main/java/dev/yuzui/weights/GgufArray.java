package dev.yuzui.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A metadata array where it is mapped, decoded on demand: vocabularies have hundreds of thousands
 * of entries that {@code inspect} never needs.
 *
 * @param type GGUF value type of the elements
 * @param payload the elements, bounds already checked
 */
record GgufArray(int type, long count, MemorySegment payload) {
  private static final int SHOWN = 5;

  List<Object> first(long limit) {
    List<Object> out = new ArrayList<>();
    GgufCursor cursor = GgufCursor.trusted(payload);
    for (long i = 0; i < Math.min(limit, count); i++) {
      out.add(cursor.scalar(type));
    }
    return out;
  }

  /** For arrays of strings. */
  List<String> strings() {
    return first(count).stream().map(String.class::cast).toList();
  }

  /** For arrays of four-byte integers. */
  int[] ints() {
    return payload.toArray(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("[");
    for (Object each : first(SHOWN)) {
      text.append(text.length() > 1 ? ", " : "")
          .append(each instanceof String s ? '"' + s + '"' : each);
    }
    return text.append(count > SHOWN ? ", …] (" + count + ")" : "]").toString();
  }

  static String text(MemorySegment utf8) {
    return new String(utf8.toArray(JAVA_BYTE), StandardCharsets.UTF_8);
  }
}
