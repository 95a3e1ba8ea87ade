package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.B;
import static dev.yuzui.backend.cpu.Lanes.F;
import static dev.yuzui.backend.cpu.Lanes.I;
import static dev.yuzui.backend.cpu.Memory.ALL;
import static dev.yuzui.backend.cpu.Memory.LE;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * What {@link VectorCodes} summed, times the scales of weights and activations, added to a vector
 * of results, a lane a row. {@code headers} are those of the first of these lanes; {@code x} holds
 * scales of activations from {@code scale}, one for each 32 columns, and sums of them from {@code
 * sum32}.
 */
final class VectorScales {
  private VectorScales() {}

  /** A scale for each 32 columns: F16 of 16 rows. */
  static void blocks(
      long headers, int groups, boolean halves, int[] x, int scale, long sums, long out) {
    FloatVector total = FloatVector.fromMemorySegment(F, ALL, out, LE);
    for (int g = 0; g < groups; g++) {
      IntVector sum = IntVector.fromMemorySegment(I, ALL, sums + 64L * g, LE);
      if (halves) {
        IntVector even = sum.lanewise(VectorOperators.LSHL, 16);
        sum = even.lanewise(VectorOperators.ASHR, 16).add(sum.lanewise(VectorOperators.ASHR, 16));
      }
      IntVector bits =
          (IntVector)
              ShortVector.fromMemorySegment(Lanes.S, ALL, headers + 32L * g, LE)
                  .convertShape(VectorOperators.S2I, I, 0);
      FloatVector d = // as Lanes.f16
          bits.lanewise(VectorOperators.LSHL, 13)
              .and(0x0fff_e000)
              .reinterpretAsFloats()
              .mul(0x1p112f);
      d = d.reinterpretAsInts().or(bits.and(0x8000_0000)).reinterpretAsFloats();
      FloatVector by = IntVector.broadcast(I, x[scale + g]).reinterpretAsFloats();
      FloatVector s = (FloatVector) sum.convert(VectorOperators.I2F, 0);
      total = s.fma(d.mul(by), total);
    }
    total.intoMemorySegment(ALL, out, LE);
  }

  /**
   * Of 256 columns: F16 scale and scale of minima, then, for each 32 columns, bytes of scale and of
   * minimum. Codes lack {@code bias}.
   */
  static void minima(
      long headers,
      int blocks,
      int row,
      int bias,
      int[] x,
      int scale,
      int sum32,
      long sums,
      long out) {
    FloatVector total = FloatVector.fromMemorySegment(F, ALL, out, LE);
    FloatVector lack = FloatVector.broadcast(F, bias);
    for (int b = 0; b < blocks; b++) {
      FloatVector part = FloatVector.zero(F);
      FloatVector least = part;
      for (int g = 0; g < 8; g++) {
        IntVector sum = IntVector.fromMemorySegment(I, ALL, sums, LE);
        IntVector even = sum.lanewise(VectorOperators.LSHL, 16);
        sum = even.lanewise(VectorOperators.ASHR, 16).add(sum.lanewise(VectorOperators.ASHR, 16));
        FloatVector of32 = IntVector.broadcast(I, x[sum32 + 8 * b + g]).reinterpretAsFloats();
        FloatVector s = of32.fma(lack, (FloatVector) sum.convert(VectorOperators.I2F, 0));
        long at = headers + 64 + row + 16L * g;
        IntVector code =
            (IntVector)
                ByteVector.fromMemorySegment(B, ALL, at, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
        part = s.fma((FloatVector) code.convert(VectorOperators.I2F, 0), part);
        code =
            (IntVector)
                ByteVector.fromMemorySegment(B, ALL, at + 128, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
        least = of32.fma((FloatVector) code.convert(VectorOperators.I2F, 0), least);
        sums += 64;
      }
      part = Lanes.f16(headers + 2L * row).mul(part);
      part = Lanes.f16(headers + 32 + 2L * row).fma(least.neg(), part);
      FloatVector by = IntVector.broadcast(I, x[scale + 8 * b]).reinterpretAsFloats();
      total = part.fma(by, total);
      headers += 320;
    }
    total.intoMemorySegment(ALL, out, LE);
  }

  /** Of 256 columns: F16 scale, and for each 16 columns a signed byte. */
  static void sixteens(long headers, int blocks, int row, int[] x, int scale, long sums, long out) {
    FloatVector total = FloatVector.fromMemorySegment(F, ALL, out, LE);
    for (int b = 0; b < blocks; b++) {
      FloatVector part = FloatVector.zero(F);
      for (int g = 0; g < 16; g++) {
        IntVector sum = IntVector.fromMemorySegment(I, ALL, sums, LE);
        IntVector even = sum.lanewise(VectorOperators.LSHL, 16);
        sum = even.lanewise(VectorOperators.ASHR, 16).add(sum.lanewise(VectorOperators.ASHR, 16));
        IntVector code =
            (IntVector)
                ByteVector.fromMemorySegment(B, ALL, headers + 32 + row + 16L * g, LE)
                    .convertShape(VectorOperators.B2I, I, 0);
        FloatVector s = (FloatVector) sum.convert(VectorOperators.I2F, 0);
        part = s.fma((FloatVector) code.convert(VectorOperators.I2F, 0), part);
        sums += 64;
      }
      FloatVector by = IntVector.broadcast(I, x[scale + 8 * b]).reinterpretAsFloats();
      total = Lanes.f16(headers + 2L * row).mul(part).fma(by, total);
      headers += 288;
    }
    total.intoMemorySegment(ALL, out, LE);
  }
}
