package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.F;
import static dev.yuzui.backend.cpu.Lanes.I;
import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Memory.ALL;
import static dev.yuzui.backend.cpu.Memory.LE;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Panels: four vectors of rows of strips as F32, a lane a row as they lie there, column after
 * column; and their products. An element is code · scale − minimum. Of each group of columns the
 * scales and then the minima are at {@code scales}, 128 bytes a group. {@link VectorCodes} tells
 * the order of codes.
 *
 * <p>No helpers here, for the reason given there.
 */
final class VectorPanelCodes {
  private VectorPanelCodes() {}

  /** Scales of blocks of 32 columns: F16; codes lack {@code bias}. */
  static void blocks(long headers, int groups, int bias, long scales) {
    for (int g = 0; g < groups; g++) {
      FloatVector d = Lanes.f16(headers);
      d.intoMemorySegment(ALL, scales, LE);
      d.mul(bias).intoMemorySegment(ALL, scales + 64, LE);
      headers += 32;
      scales += 128;
    }
  }

  /** As {@link VectorScales#minima}, of eight groups a block; codes are whole. */
  static void minima(long headers, int blocks, int row, long scales) {
    for (int b = 0; b < blocks; b++) {
      FloatVector d = Lanes.f16(headers + 2L * row);
      FloatVector least = Lanes.f16(headers + 32 + 2L * row);
      for (int g = 0; g < 8; g++) {
        long at = headers + 64 + row + 16L * g;
        Lanes.toFloat(Lanes.u8(at)).mul(d).intoMemorySegment(ALL, scales, LE);
        Lanes.toFloat(Lanes.u8(at + 128)).mul(least).intoMemorySegment(ALL, scales + 64, LE);
        scales += 128;
      }
      headers += 320;
    }
  }

  /** As {@link VectorScales#sixteens}, of sixteen groups a block; codes lack 32. */
  static void sixteens(long headers, int blocks, int row, long scales) {
    for (int b = 0; b < blocks; b++) {
      FloatVector d = Lanes.f16(headers + 2L * row);
      for (int g = 0; g < 16; g++) {
        FloatVector s = Lanes.toFloat(Lanes.i8(headers + 32 + row + 16L * g)).mul(d);
        s.intoMemorySegment(ALL, scales, LE);
        s.mul(32).intoMemorySegment(ALL, scales + 64, LE);
        scales += 128;
      }
      headers += 288;
    }
  }

  static void nibbles(long codes, int units, long scales, long out) {
    final long stride = 16L * L;
    for (int u = 0; u < units; u++) {
      FloatVector scaleA = FloatVector.fromMemorySegment(F, ALL, scales, LE);
      FloatVector lessA = FloatVector.fromMemorySegment(F, ALL, scales + 64, LE).neg();
      FloatVector scaleB = FloatVector.fromMemorySegment(F, ALL, scales + 128, LE);
      FloatVector lessB = FloatVector.fromMemorySegment(F, ALL, scales + 192, LE).neg();
      for (int i = 0; i < 8; i++) {
        IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
        for (int j = 0; j < 4; j++) {
          int shift = 8 * j;
          long to = out + ((j & 1) << 1 | j >> 1) * stride;
          IntVector a = v.lanewise(VectorOperators.LSHR, shift).and(15);
          ((FloatVector) a.convert(VectorOperators.I2F, 0))
              .fma(scaleA, lessA)
              .intoMemorySegment(ALL, to, LE);
          IntVector b = v.lanewise(VectorOperators.LSHR, shift + 4).and(15);
          ((FloatVector) b.convert(VectorOperators.I2F, 0))
              .fma(scaleB, lessB)
              .intoMemorySegment(ALL, to + 32 * stride, LE);
        }
        codes += 64;
        out += 4 * stride;
      }
      out += 32 * stride;
      scales += 256;
    }
  }

  /** Upper bits as in {@link VectorCodes#more1}. */
  static void more(long codes, int units, int quads, int bits, long scales, long out) {
    final long stride = 16L * L;
    int upper = bits == 1 ? 0x01010101 : 0x03030303;
    long far = 4 * quads * stride;
    for (int u = 0; u < units; u++) {
      FloatVector scaleA = FloatVector.fromMemorySegment(F, ALL, scales, LE);
      FloatVector lessA = FloatVector.fromMemorySegment(F, ALL, scales + 64, LE).neg();
      FloatVector scaleB = FloatVector.fromMemorySegment(F, ALL, scales + 128, LE);
      FloatVector lessB = FloatVector.fromMemorySegment(F, ALL, scales + 192, LE).neg();
      long nibbles = codes + 16L * quads * bits;
      for (int i = 0; i < quads; i++) {
        IntVector h = IntVector.fromMemorySegment(I, ALL, codes + (i * bits >> 2) * 64L, LE);
        h = h.lanewise(VectorOperators.LSHR, i * bits & 3);
        IntVector v = IntVector.fromMemorySegment(I, ALL, nibbles, LE);
        IntVector a = v.and(0x0f0f0f0f).or(h.and(upper).lanewise(VectorOperators.LSHL, 4));
        IntVector b = v.lanewise(VectorOperators.LSHR, 4).and(0x0f0f0f0f).or(h.and(upper << 4));
        for (int j = 0; j < 4; j++) {
          long to = out + ((j & 1) << 1 | j >> 1) * stride;
          ((FloatVector)
                  a.lanewise(VectorOperators.LSHR, 8 * j).and(0xff).convert(VectorOperators.I2F, 0))
              .fma(scaleA, lessA)
              .intoMemorySegment(ALL, to, LE);
          ((FloatVector)
                  b.lanewise(VectorOperators.LSHR, 8 * j).and(0xff).convert(VectorOperators.I2F, 0))
              .fma(scaleB, lessB)
              .intoMemorySegment(ALL, to + far, LE);
        }
        nibbles += 64;
        out += 4 * stride;
      }
      codes = nibbles;
      out += far;
      scales += 256;
    }
  }

  /** Signed bytes; minima are not looked at. */
  static void bytes(long codes, int units, long scales, long out) {
    final long stride = 16L * L;
    for (int u = 0; u < units; u++) {
      FloatVector scale = FloatVector.fromMemorySegment(F, ALL, scales, LE);
      for (int i = 0; i < 8; i++) {
        IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
        for (int j = 0; j < 4; j++) {
          IntVector a =
              v.lanewise(VectorOperators.LSHL, 24 - 8 * j).lanewise(VectorOperators.ASHR, 24);
          ((FloatVector) a.convert(VectorOperators.I2F, 0))
              .mul(scale)
              .intoMemorySegment(ALL, out + ((j & 1) << 1 | j >> 1) * stride, LE);
        }
        codes += 64;
        out += 4 * stride;
      }
      scales += 128;
    }
  }

  /**
   * Adds products of a panel with {@code count} columns of four vectors to {@code results}: of each
   * vector one for each row of the panel. With sixteen registers some sums stay in memory, which is
   * still quicker than blocks of fewer.
   */
  static void four(long panel, int count, long x0, long x1, long x2, long x3, long results) {
    long far = 4L * L;
    FloatVector s00 = FloatVector.fromMemorySegment(F, ALL, results, LE);
    FloatVector s01 = FloatVector.fromMemorySegment(F, ALL, results + far, LE);
    FloatVector s02 = FloatVector.fromMemorySegment(F, ALL, results + 2 * far, LE);
    FloatVector s03 = FloatVector.fromMemorySegment(F, ALL, results + 3 * far, LE);
    FloatVector s10 = FloatVector.fromMemorySegment(F, ALL, results + 4 * far, LE);
    FloatVector s11 = FloatVector.fromMemorySegment(F, ALL, results + 5 * far, LE);
    FloatVector s12 = FloatVector.fromMemorySegment(F, ALL, results + 6 * far, LE);
    FloatVector s13 = FloatVector.fromMemorySegment(F, ALL, results + 7 * far, LE);
    FloatVector s20 = FloatVector.fromMemorySegment(F, ALL, results + 8 * far, LE);
    FloatVector s21 = FloatVector.fromMemorySegment(F, ALL, results + 9 * far, LE);
    FloatVector s22 = FloatVector.fromMemorySegment(F, ALL, results + 10 * far, LE);
    FloatVector s23 = FloatVector.fromMemorySegment(F, ALL, results + 11 * far, LE);
    FloatVector s30 = FloatVector.fromMemorySegment(F, ALL, results + 12 * far, LE);
    FloatVector s31 = FloatVector.fromMemorySegment(F, ALL, results + 13 * far, LE);
    FloatVector s32 = FloatVector.fromMemorySegment(F, ALL, results + 14 * far, LE);
    FloatVector s33 = FloatVector.fromMemorySegment(F, ALL, results + 15 * far, LE);
    for (int c = 0; c < count; c++) {
      FloatVector w0 = FloatVector.fromMemorySegment(F, ALL, panel, LE);
      FloatVector w1 = FloatVector.fromMemorySegment(F, ALL, panel + far, LE);
      FloatVector w2 = FloatVector.fromMemorySegment(F, ALL, panel + 2 * far, LE);
      FloatVector w3 = FloatVector.fromMemorySegment(F, ALL, panel + 3 * far, LE);
      FloatVector x = FloatVector.broadcast(F, Memory.f32(x0 + 4L * c));
      s00 = w0.fma(x, s00);
      s01 = w1.fma(x, s01);
      s02 = w2.fma(x, s02);
      s03 = w3.fma(x, s03);
      x = FloatVector.broadcast(F, Memory.f32(x1 + 4L * c));
      s10 = w0.fma(x, s10);
      s11 = w1.fma(x, s11);
      s12 = w2.fma(x, s12);
      s13 = w3.fma(x, s13);
      x = FloatVector.broadcast(F, Memory.f32(x2 + 4L * c));
      s20 = w0.fma(x, s20);
      s21 = w1.fma(x, s21);
      s22 = w2.fma(x, s22);
      s23 = w3.fma(x, s23);
      x = FloatVector.broadcast(F, Memory.f32(x3 + 4L * c));
      s30 = w0.fma(x, s30);
      s31 = w1.fma(x, s31);
      s32 = w2.fma(x, s32);
      s33 = w3.fma(x, s33);
      panel += 4 * far;
    }
    s00.intoMemorySegment(ALL, results, LE);
    s01.intoMemorySegment(ALL, results + far, LE);
    s02.intoMemorySegment(ALL, results + 2 * far, LE);
    s03.intoMemorySegment(ALL, results + 3 * far, LE);
    s10.intoMemorySegment(ALL, results + 4 * far, LE);
    s11.intoMemorySegment(ALL, results + 5 * far, LE);
    s12.intoMemorySegment(ALL, results + 6 * far, LE);
    s13.intoMemorySegment(ALL, results + 7 * far, LE);
    s20.intoMemorySegment(ALL, results + 8 * far, LE);
    s21.intoMemorySegment(ALL, results + 9 * far, LE);
    s22.intoMemorySegment(ALL, results + 10 * far, LE);
    s23.intoMemorySegment(ALL, results + 11 * far, LE);
    s30.intoMemorySegment(ALL, results + 12 * far, LE);
    s31.intoMemorySegment(ALL, results + 13 * far, LE);
    s32.intoMemorySegment(ALL, results + 14 * far, LE);
    s33.intoMemorySegment(ALL, results + 15 * far, LE);
  }
}
