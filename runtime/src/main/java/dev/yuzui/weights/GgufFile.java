package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One GGUF file, mapped, its structure checked: metadata, and tensors that follow each other in the
 * data section without overlap or gap, as the format prescribes. A tensor of a type that does not
 * run has no encoding, and the bytes up to the next one.
 *
 * @param stored the metadata as it lies in the file
 */
record GgufFile(
    Path path,
    int version,
    Map<String, Object> metadata,
    Map<String, GgufValue> stored,
    List<RawTensor> tensors) {
  private static final int MAGIC = 0x46554747;
  private static final long DEFAULT_ALIGNMENT = 32;
  private static final int MAX_DIMENSIONS = 4;

  private record Info(String name, List<Long> shape, int type, long offset) {
    Optional<Encoding> encoding() {
      return GgmlTypes.encoding(type);
    }
  }

  static GgufFile read(Path file, Arena arena) {
    MemorySegment bytes = Mapping.map(file, arena);
    GgufCursor in = new GgufCursor(file, bytes);
    int version = version(file, in);
    long tensorCount = in.reading("tensor count").count("tensors", 32);
    long keyCount = in.reading("metadata count").count("keys", 13);
    Map<String, GgufValue> stored = new LinkedHashMap<>();
    Map<String, Object> metadata = metadata(file, bytes, in, keyCount, stored);
    List<Info> infos = infos(file, in, tensorCount);
    return new GgufFile(
        file,
        version,
        metadata,
        stored,
        tensors(file, bytes, in.position(), alignment(file, metadata), infos));
  }

  private static int version(Path file, GgufCursor in) {
    int magic = in.reading("magic").u32();
    if (magic != MAGIC) {
      throw new WeightException(
          file,
          "magic",
          "a file that begins with GGUF",
          "0x%08x".formatted(Integer.reverseBytes(magic)),
          "give a .gguf file or a folder with config.json and safetensors");
    }
    int version = in.reading("version").u32();
    if (version == 2 || version == 3) {
      return version;
    }
    boolean swapped = Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3;
    throw new WeightException(
        file,
        "version",
        "GGUF version 2 or 3, little-endian",
        swapped ? "a big-endian file" : "version " + Integer.toUnsignedString(version),
        "convert the model again with a current converter");
  }

  private static Map<String, Object> metadata(
      Path file, MemorySegment bytes, GgufCursor in, long count, Map<String, GgufValue> stored) {
    Map<String, Object> metadata = new LinkedHashMap<>();
    for (long i = 0; i < count; i++) {
      String key = in.reading("metadata key " + i).string();
      long from = in.position();
      Object value = in.reading(key).value(in.reading(key).u32());
      stored.put(key, GgufValue.stored(bytes.asSlice(from, in.position() - from)));
      if (metadata.put(key, value) != null) {
        throw damaged(file, key, "each key once", "it twice");
      }
    }
    return metadata;
  }

  private static List<Info> infos(Path file, GgufCursor in, long count) {
    List<Info> infos = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (long i = 0; i < count; i++) {
      String name = in.reading("tensor " + i).string();
      String what = "tensor " + name;
      in.reading(what);
      if (!names.add(name)) {
        throw damaged(file, what, "each tensor once", "it twice");
      }
      int dimensions = in.u32();
      if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
        throw damaged(file, what, "1 to 4 dimensions", Integer.toUnsignedString(dimensions));
      }
      List<Long> shape = new ArrayList<>();
      for (int d = 0; d < dimensions; d++) {
        long n = in.u64();
        if (n < 1) {
          throw damaged(file, what, "dimensions of at least 1", Long.toUnsignedString(n));
        }
        shape.addFirst(n);
      }
      infos.add(new Info(name, List.copyOf(shape), in.u32(), in.u64()));
    }
    return infos;
  }

  private static long alignment(Path file, Map<String, Object> metadata) {
    Object value = metadata.getOrDefault("general.alignment", DEFAULT_ALIGNMENT);
    if (value instanceof Long n && n > 0 && n <= 1 << 20 && Long.bitCount(n) == 1) {
      return n;
    }
    throw damaged(file, "general.alignment", "a power of two up to 2^20", value.toString());
  }

  private static List<RawTensor> tensors(
      Path file, MemorySegment bytes, long headerEnd, long alignment, List<Info> infos) {
    long start = roundUp(headerEnd, alignment);
    long next = 0;
    List<RawTensor> tensors = new ArrayList<>();
    for (int i = 0; i < infos.size(); i++) {
      Info info = infos.get(i);
      String what = "tensor " + info.name;
      long end = i + 1 < infos.size() ? infos.get(i + 1).offset : bytes.byteSize() - start;
      long size =
          info.encoding()
              .map(encoding -> byteSize(file, info, encoding))
              .orElse(Math.max(0, end - info.offset));
      if (info.offset % alignment != 0 || info.offset < 0) {
        throw damaged(
            file,
            what,
            "an offset that is a multiple of " + alignment,
            Long.toUnsignedString(info.offset));
      }
      if (info.offset != next) {
        throw damaged(
            file,
            what,
            "offset " + next + ", right behind the tensor before",
            info.offset + (info.offset < next ? ", which overlaps it" : ", which leaves a gap"));
      }
      if (start > bytes.byteSize() || size > bytes.byteSize() - start - info.offset) {
        throw new WeightException(
            file,
            what,
            size + " bytes at data offset " + info.offset,
            "a file of " + bytes.byteSize() + " bytes whose data begins at " + start,
            "the file is cut off; download it again");
      }
      tensors.add(
          new RawTensor(
              info.name,
              GgmlTypes.label(info.type),
              info.encoding(),
              info.shape,
              bytes.asSlice(start + info.offset, size),
              file));
      next = roundUp(info.offset + size, alignment);
    }
    return tensors;
  }

  private static long byteSize(Path file, Info info, Encoding encoding) {
    try {
      long cols = info.shape.getLast();
      long rows = 1;
      for (long n : info.shape.subList(0, info.shape.size() - 1)) {
        rows = Math.multiplyExact(rows, n);
      }
      Math.multiplyExact(rows, cols);
      return encoding.byteSize(rows, cols);
    } catch (ArithmeticException _) {
      throw damaged(
          file, "tensor " + info.name, "a size that fits the file", "shape " + info.shape);
    } catch (IllegalArgumentException e) {
      throw damaged(
          file,
          "tensor " + info.name,
          "rows of whole " + encoding.label() + " blocks",
          String.valueOf(e.getMessage()));
    }
  }

  private static long roundUp(long n, long alignment) {
    return (n + alignment - 1) & -alignment;
  }

  private static WeightException damaged(Path file, String what, String expected, String found) {
    return new WeightException(
        file, what, expected, found, "the file is damaged; download or convert it again");
  }
}
