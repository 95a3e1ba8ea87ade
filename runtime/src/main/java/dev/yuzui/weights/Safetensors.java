package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One safetensors file, mapped, its structure checked: the tensors cover its data exactly. */
final class Safetensors {
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** V3's 91,000 tensors would take 12 MB in one file. */
  private static final long MAX_HEADER = 32 << 20;

  /**
   * @param bits of one element
   * @param encoding empty for types no weight may have
   */
  private record Dtype(int bits, Optional<Encoding> encoding) {}

  private static final Map<String, Dtype> DTYPES =
      Map.ofEntries(
          weight("F32", Encoding.F32),
          weight("F16", Encoding.F16),
          weight("BF16", Encoding.BF16),
          weight("F8_E4M3", Encoding.FP8),
          other("F64", 64),
          other("I64", 64),
          other("U64", 64),
          other("I32", 32),
          other("U32", 32),
          other("I16", 16),
          other("U16", 16),
          other("I8", 8),
          other("U8", 8),
          other("BOOL", 8),
          other("F8_E5M2", 8),
          other("F8_E8M0", 8),
          other("F4", 4));

  private record Entry(String name, String dtype, List<Long> shape, long begin, long end) {}

  private Safetensors() {}

  static List<RawTensor> read(Path file, Arena arena) {
    MemorySegment bytes = Mapping.map(file, arena);
    long size = bytes.byteSize();
    if (size < 8) {
      throw damaged(file, "header", "at least 8 bytes", "a file of " + size + " bytes");
    }
    long length = bytes.get(LENGTH, 0);
    if (length < 2 || length > Math.min(MAX_HEADER, size - 8)) {
      throw damaged(
          file,
          "header",
          "a length from 2 to " + Math.min(MAX_HEADER, size - 8) + " bytes",
          Long.toUnsignedString(length));
    }
    byte[] header = bytes.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
    List<Entry> entries = new ArrayList<>();
    Json.object(file, "header", header)
        .forEach(
            (name, value) -> {
              if (!name.equals("__metadata__")) {
                entries.add(entry(file, name, value));
              }
            });
    return tensors(file, bytes, 8 + length, entries);
  }

  private static Entry entry(Path file, String name, Object value) {
    String what = "tensor " + name;
    if (!(value instanceof Map<?, ?> fields)
        || !(fields.get("dtype") instanceof String dtype)
        || !(fields.get("shape") instanceof List<?> shape)
        || !(fields.get("data_offsets") instanceof List<?> offsets)
        || offsets.size() != 2) {
      throw damaged(file, what, "dtype, shape and two data_offsets", String.valueOf(value));
    }
    return new Entry(
        name,
        dtype,
        shape.stream().map(n -> count(file, what, n)).toList(),
        count(file, what, offsets.get(0)),
        count(file, what, offsets.get(1)));
  }

  private static long count(Path file, String what, Object value) {
    if ((value instanceof Integer || value instanceof Long) && ((Number) value).longValue() >= 0) {
      return ((Number) value).longValue();
    }
    throw damaged(
        file, what, "whole numbers from 0 in shape and data_offsets", String.valueOf(value));
  }

  private static List<RawTensor> tensors(
      Path file, MemorySegment bytes, long start, List<Entry> entries) {
    long available = bytes.byteSize() - start;
    List<Entry> ordered = new ArrayList<>(entries);
    ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long next = 0;
    List<RawTensor> tensors = new ArrayList<>();
    for (Entry e : ordered) {
      String what = "tensor " + e.name;
      if (e.begin != next || e.end < e.begin) {
        throw damaged(
            file,
            what,
            "data_offsets that begin at " + next + ", where the tensor before ends",
            "[" + e.begin + ", " + e.end + "]" + (e.begin < next ? ", which overlaps it" : ""));
      }
      if (e.end > available) {
        throw new WeightException(
            file,
            what,
            "data up to offset " + e.end,
            available + " bytes of data",
            "the file is cut off; download it again");
      }
      tensors.add(tensor(file, bytes, start, e));
      next = e.end;
    }
    if (next != available) {
      throw damaged(file, "data", available + " bytes described by the header", next + " bytes");
    }
    return tensors;
  }

  private static RawTensor tensor(Path file, MemorySegment bytes, long start, Entry e) {
    String what = "tensor " + e.name;
    Dtype dtype = DTYPES.get(e.dtype);
    if (dtype == null) {
      throw damaged(
          file, what, "a dtype of " + DTYPES.keySet().stream().sorted().toList(), e.dtype);
    }
    long want;
    try {
      long elements = 1;
      for (long n : e.shape) {
        elements = Math.multiplyExact(elements, n);
      }
      want = Math.multiplyExact(elements, dtype.bits) / 8;
    } catch (ArithmeticException _) {
      throw damaged(file, what, "a size that fits the file", "shape " + e.shape);
    }
    if (want != e.end - e.begin) {
      throw damaged(
          file, what, want + " bytes for " + e.dtype + " " + e.shape, e.end - e.begin + " bytes");
    }
    boolean used = dtype.encoding.isPresent(); // others are converted, wherever they lie
    if (used && dtype.bits > 8 && (start + e.begin) % (dtype.bits / 8) != 0) {
      throw new WeightException(
          file,
          what,
          "data at a multiple of " + dtype.bits / 8 + " bytes",
          "offset " + (start + e.begin),
          "save the model again with a current safetensors library");
    }
    return new RawTensor(
        e.name, e.dtype, dtype.encoding, e.shape, bytes.asSlice(start + e.begin, want), file);
  }

  private static Map.Entry<String, Dtype> weight(String name, Encoding encoding) {
    return Map.entry(name, new Dtype(8 * encoding.blockBytes(), Optional.of(encoding)));
  }

  private static Map.Entry<String, Dtype> other(String name, int bits) {
    return Map.entry(name, new Dtype(bits, Optional.empty()));
  }

  private static WeightException damaged(Path file, String what, String expected, String found) {
    return new WeightException(
        file, what, expected, found, "the file is damaged; download it again");
  }
}
