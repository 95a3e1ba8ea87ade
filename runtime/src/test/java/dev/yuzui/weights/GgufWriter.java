package dev.yuzui.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Writes GGUF as its specification says, knowing nothing of the reader. Values are Integer (u32),
 * Float, Boolean, String, or lists of String or Integer.
 */
final class GgufWriter {
  /**
   * @param shape outermost dimension first; written innermost first, as ggml counts
   */
  record Entry(String name, int type, long[] shape, byte[] data) {}

  final Map<String, Object> metadata = new LinkedHashMap<>();
  final List<Entry> tensors = new ArrayList<>();
  int version = 3;
  int alignment = 32;

  GgufWriter put(String key, Object value) {
    metadata.put(key, value);
    return this;
  }

  GgufWriter tensor(String name, int type, byte[] data, long... shape) {
    tensors.add(new Entry(name, type, shape, data));
    return this;
  }

  Entry find(String name) {
    return tensors.stream().filter(t -> t.name.equals(name)).findFirst().orElseThrow();
  }

  /** Replaces the tensor called like {@code entry}. */
  GgufWriter replace(Entry entry) {
    tensors.replaceAll(t -> t.name.equals(entry.name) ? entry : t);
    return this;
  }

  /** Bytes before the first tensor's data. */
  int headerLength() {
    return header().length;
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(header());
    for (Entry t : tensors) {
      out.writeBytes(t.data);
      pad(out);
    }
    return out.toByteArray();
  }

  private byte[] header() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    u32(out, version);
    u64(out, tensors.size());
    u64(out, metadata.size());
    metadata.forEach(
        (key, value) -> {
          string(out, key);
          value(out, value);
        });
    long offset = 0;
    for (Entry t : tensors) {
      string(out, t.name);
      u32(out, t.shape.length);
      LongStream.range(0, t.shape.length)
          .forEach(i -> u64(out, t.shape[t.shape.length - 1 - (int) i]));
      u32(out, t.type);
      u64(out, offset);
      offset += Math.ceilDiv(t.data.length, alignment) * (long) alignment;
    }
    pad(out);
    return out.toByteArray();
  }

  private static void value(ByteArrayOutputStream out, Object value) {
    switch (value) {
      case Integer i -> {
        u32(out, 4);
        u32(out, i);
      }
      case Float f -> {
        u32(out, 6);
        u32(out, Float.floatToIntBits(f));
      }
      case Boolean b -> {
        u32(out, 7);
        out.write(b ? 1 : 0);
      }
      case String s -> {
        u32(out, 8);
        string(out, s);
      }
      case List<?> list -> {
        u32(out, 9);
        boolean strings = list.getFirst() instanceof String;
        u32(out, strings ? 8 : 5);
        u64(out, list.size());
        for (Object each : list) {
          if (each instanceof String s) {
            string(out, s);
          } else {
            u32(out, (Integer) each);
          }
        }
      }
      default -> throw new IllegalArgumentException(value.toString());
    }
  }

  private void pad(ByteArrayOutputStream out) {
    while (out.size() % alignment != 0) {
      out.write(0);
    }
  }

  private static void string(ByteArrayOutputStream out, String s) {
    byte[] utf8 = s.getBytes(StandardCharsets.UTF_8);
    u64(out, utf8.length);
    out.writeBytes(utf8);
  }

  private static void u32(ByteArrayOutputStream out, int v) {
    out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(v).array());
  }

  private static void u64(ByteArrayOutputStream out, long v) {
    out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(v).array());
  }
}
