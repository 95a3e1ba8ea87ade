package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Products of strips on jdk.incubator.vector: {@link VectorCodes} multiplies in 16-bit lanes,
 * {@link VectorScales} adds up in float. A result is the same whatever vectors are beside it.
 *
 * <p>A prepared row is, in words, for K columns, a multiple of 256: pairs of codes of eight bits,
 * K/2; of 32 columns, and of 16, the sums of the even and of the odd ones, K/32 and K/16; of 32
 * columns their scale, K/32, and their sum, K/32, both F32.
 */
final class VectorStrips implements StripKernels {
  /** A line more, or the sums of four vectors would compete for the same cache sets. */
  private static final int FAR = VectorFormat.PIECE / 16 * 64 + 64;

  private static final int RESULTS = 4 * 4 * Packed.ROWS;

  private final MethodHandle nibbles1 = Opaque.method(VectorCodes.class, "nibbles1");
  private final MethodHandle nibbles4 = Opaque.method(VectorCodes.class, "nibbles4");
  private final MethodHandle more1 = Opaque.method(VectorCodes.class, "more1");
  private final MethodHandle more4 = Opaque.method(VectorCodes.class, "more4");
  private final MethodHandle bytes1 = Opaque.method(VectorCodes.class, "bytes1");
  private final MethodHandle bytes4 = Opaque.method(VectorCodes.class, "bytes4");
  private final MethodHandle blocks = Opaque.method(VectorScales.class, "blocks");
  private final MethodHandle minima = Opaque.method(VectorScales.class, "minima");
  private final MethodHandle sixteens = Opaque.method(VectorScales.class, "sixteens");
  private final MethodHandle quantize = Opaque.method(VectorQuantize.class, "quantize");

  private final VectorPanels panels = new VectorPanels();

  @Override
  public Optional<VectorPanels> panels() {
    return Optional.of(panels);
  }

  @Override
  public boolean takes(StripType type) {
    return VectorFormat.has(type);
  }

  @Override
  public long packedBytes(StripType type, long rows, long cols) {
    long strips = Math.ceilDiv(rows, (long) Packed.ROWS);
    return strips * VectorFormat.of(type).stripBytes(Math.toIntExact(cols));
  }

  @Override
  public void pack(StripType type, long file, long scales, long rows, long cols, long packed) {
    VectorPack.pack(type, file, Math.toIntExact(rows), Math.toIntExact(cols), packed);
  }

  private static int padded(long cols) {
    return Math.toIntExact(Math.ceilDiv(cols, 256L) * 256);
  }

  private static int words(int padded) {
    return padded / 2 + padded / 32 * 3 + padded / 16;
  }

  @Override
  public long preparedBytes(StripType type, long cols) {
    return 4L * words(padded(cols));
  }

  @Override
  public void prepare(PrepareOp.Source from, int first, int last, PrepareOp.Prepared to) {
    int block = to.type().activations == StripType.Activations.BLOCKS_OF_32 ? 32 : 256;
    int k = padded(from.cols());
    try {
      for (int i = first; i < last; i++) {
        long prepared = to.row(i);
        long of32 = prepared + 2L * k;
        long of16 = of32 + k / 8;
        long scale = of16 + k / 4;
        quantize.invokeExact(from.at(i), from.cols(), block, prepared, scale);
        VectorQuantize.zero(prepared, from.cols(), k, scale);
        VectorQuantize.sums(prepared, k, of32, of16, scale + k / 8);
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public long temporaryBytes() {
    return RESULTS + 4 * FAR;
  }

  @Override
  public void product(
      Packed w, int first, int last, long x, int n, long out, Lane lane, long temporary) {
    int words = words(padded(w.cols()));
    int[] rows = lane.ints(4 * words);
    for (int t = 0; t < n; t += 4) {
      int left = Math.min(4, n - t);
      int together = left >= 3 ? 4 : 1;
      for (int i = 0; i < Math.max(left, together); i++) {
        long row = Memory.i64(x + 8L * (t + Math.min(i, left - 1)));
        MemorySegment.copy(Memory.ALL, ValueLayout.JAVA_INT_UNALIGNED, row, rows, i * words, words);
      }
      for (int s = first; s < last; s++) {
        int count = Math.min(Packed.ROWS, w.rows() - s * Packed.ROWS);
        for (int i = 0; i < left; i += together) {
          strip(w, w.address() + s * w.stripBytes(), rows, i * words, words, together, temporary);
          for (int j = i; j < Math.min(left, i + together); j++) {
            long to = Memory.i64(out + 8L * (t + j)) + 4L * Packed.ROWS * s;
            Memory.copy(temporary + 64L * (j - i), to, 4L * count);
          }
        }
      }
    }
  }

  /** Results of one or four vectors, 64 bytes each, to {@code results}. */
  private void strip(Packed w, long strip, int[] x, int at, int stride, int vectors, long results) {
    VectorFormat format = VectorFormat.of(w.type());
    int cols = w.cols();
    int k = padded(cols);
    long sums = results + RESULTS;
    VectorRows.zero(results, Packed.ROWS * vectors);
    for (int c = 0; c < cols; c += VectorFormat.PIECE) {
      int count = Math.min(VectorFormat.PIECE, cols - c);
      int units = format.units(count);
      int of32 = at + k / 2 + c / 32;
      int of16 = at + k / 2 + k / 32 + c / 16;
      int scale = at + k / 2 + k / 32 + k / 16 + c / 32;
      long headers = strip + format.header(c, cols);
      for (int row = 0; row < Packed.ROWS; row += L) {
        long codes = strip + format.codes(c) + 4L * row;
        codes(w.type(), vectors, codes, units, x, at + c / 2, of32, of16, stride, sums);
        for (int t = 0; t < vectors; t++) {
          int by = scale + t * stride;
          long to = results + 64L * t + 4L * row;
          scales(w.type(), headers, format.blocks(count), row, x, by, k, sums + (long) t * FAR, to);
        }
      }
    }
  }

  private void codes(
      StripType type,
      int vectors,
      long codes,
      int units,
      int[] x,
      int at,
      int of32,
      int of16,
      int stride,
      long sums) {
    long far = FAR;
    try {
      switch (type) {
        case Q4_0, Q4_K -> {
          int bias = type == StripType.Q4_0 ? 8 : 0;
          if (vectors == 1) {
            nibbles1.invokeExact(codes, units, bias, x, at, of32, stride, sums, far);
          } else {
            nibbles4.invokeExact(codes, units, bias, x, at, of32, stride, sums, far);
          }
        }
        case Q5_0, Q5_K, Q6_K -> {
          int bits = type == StripType.Q6_K ? 2 : 1;
          int quads = type == StripType.Q6_K ? 4 : 8;
          int begin = type == StripType.Q6_K ? of16 : of32;
          if (vectors == 1) {
            more1.invokeExact(codes, units, quads, bits, x, at, begin, stride, sums, far);
          } else {
            more4.invokeExact(codes, units, quads, bits, x, at, begin, stride, sums, far);
          }
        }
        default -> {
          if (vectors == 1) {
            bytes1.invokeExact(codes, units, x, at, of32, stride, sums, far);
          } else {
            bytes4.invokeExact(codes, units, x, at, of32, stride, sums, far);
          }
        }
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  private void scales(
      StripType type,
      long headers,
      int count,
      int row,
      int[] x,
      int scale,
      int padded,
      long sums,
      long out) {
    try {
      switch (type) {
        case Q4_K, Q5_K -> {
          int bias = type == StripType.Q5_K ? 16 : 0;
          minima.invokeExact(headers, count, row, bias, x, scale, scale + padded / 32, sums, out);
        }
        case Q6_K -> sixteens.invokeExact(headers, count, row, x, scale, sums, out);
        default -> {
          boolean halves = type != StripType.Q8_0;
          blocks.invokeExact(headers + 2L * row, count, halves, x, scale, sums, out);
        }
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }
}
