package dev.yuzui.convert;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.GgmlTypes;
import dev.yuzui.weights.GgufValue;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** What a GGUF begins with: metadata, and where which tensor lies. */
final class GgufHeader {
  static final int ALIGNMENT = 32;

  private static final int MAGIC = 0x46554747;
  private static final int VERSION = 3;

  private GgufHeader() {}

  /**
   * @param shape outermost dimension first
   */
  record Tensor(String name, List<Long> shape, Encoding encoding) {
    long bytes() {
      long rows = shape.subList(0, shape.size() - 1).stream().reduce(1L, (a, b) -> a * b);
      return encoding.byteSize(rows, shape.getLast());
    }
  }

  /** All bytes before the first tensor, which begins at their end. */
  static byte[] bytes(Map<String, GgufValue> metadata, List<Tensor> tensors) {
    var out = new ByteArrayOutputStream(1 << 16);
    number(out, MAGIC, 4);
    number(out, VERSION, 4);
    number(out, tensors.size(), 8);
    number(out, metadata.size(), 8);
    metadata.forEach(
        (key, value) -> {
          text(out, key);
          value.writeTo(out);
        });
    long offset = 0;
    for (Tensor t : tensors) {
      text(out, t.name);
      number(out, t.shape.size(), 4);
      t.shape.reversed().forEach(n -> number(out, n, 8));
      number(out, GgmlTypes.id(t.encoding), 4);
      number(out, offset, 8);
      offset += aligned(t.bytes());
    }
    out.writeBytes(new byte[(int) (aligned(out.size()) - out.size())]);
    return out.toByteArray();
  }

  static long aligned(long bytes) {
    return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    number(out, utf8.length, 8);
    out.writeBytes(utf8);
  }

  private static void number(ByteArrayOutputStream out, long value, int bytes) {
    byte[] eight = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    out.write(eight, 0, bytes);
  }
}
