package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.I;
import static dev.yuzui.backend.cpu.Lanes.SHORTS;
import static dev.yuzui.backend.cpu.Memory.ALL;
import static dev.yuzui.backend.cpu.Memory.LE;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Codes of strips times one or four rows of activations, in 16-bit lanes: a lane is half a row, the
 * even columns or the odd ones, so nothing is summed across lanes. Sums of a group, centred where
 * codes have more than four bits, fit: 16 · 15 · 127, 16 · 16 · 127 and 8 · 32 · 127 are below 2¹⁵;
 * what overflows on the way comes back, for the sums begin with the correction.
 *
 * <p>Unit u of the codes is two groups, A in the low bits and B in the high ones, of {@code quads}
 * times four columns. Word i of a row is columns 4i, 4i + 2, 4i + 1, 4i + 3 of its group, so that a
 * pair of neighbouring activations meets lanes of two bytes. {@code x}: the pairs from {@code at},
 * what sums begin with from {@code begin}, two words a unit, and rows of activations {@code stride}
 * apart. Sums lie 64 bytes a group; rows of them {@code far} apart.
 *
 * <p>No helpers here: C2 inlines calls of the Vector API whatever a method's size, but not ours.
 */
final class VectorCodes {
  private VectorCodes() {}

  /** Four bits, less {@code bias}. */
  static void nibbles1(
      long codes,
      int units,
      int bias,
      int[] x,
      int at,
      int begin,
      int stride,
      long sums,
      long far) {
    final int quads = 8;
    ShortVector low = ShortVector.broadcast(SHORTS, 15);
    ShortVector minus = ShortVector.broadcast(SHORTS, -bias);
    for (int u = 0; u < units; u++) {
      ShortVector a0 = IntVector.broadcast(I, x[begin + 2 * u]).reinterpretAsShorts().mul(minus);
      ShortVector b0 =
          IntVector.broadcast(I, x[begin + 2 * u + 1]).reinterpretAsShorts().mul(minus);
      int k = at + 4 * quads * u;
      for (int i = 0; i < quads; i++) {
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, codes, LE);
        ShortVector evenA = v.and(low);
        ShortVector oddA = v.lanewise(VectorOperators.LSHR, 8).and(low);
        ShortVector evenB = v.lanewise(VectorOperators.LSHR, 4).and(low);
        ShortVector oddB = v.lanewise(VectorOperators.LSHR, 12);
        a0 = evenA.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts()).add(a0);
        a0 = oddA.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()).add(a0);
        b0 = evenB.mul(IntVector.broadcast(I, x[k + 2 * quads]).reinterpretAsShorts()).add(b0);
        b0 = oddB.mul(IntVector.broadcast(I, x[k + 2 * quads + 1]).reinterpretAsShorts()).add(b0);
        codes += 64;
        k += 2;
      }
      a0.intoMemorySegment(ALL, sums, LE);
      b0.intoMemorySegment(ALL, sums + 64, LE);
      sums += 128;
    }
  }

  static void nibbles4(
      long codes,
      int units,
      int bias,
      int[] x,
      int at,
      int begin,
      int stride,
      long sums,
      long far) {
    final int quads = 8;
    ShortVector low = ShortVector.broadcast(SHORTS, 15);
    ShortVector minus = ShortVector.broadcast(SHORTS, -bias);
    for (int u = 0; u < units; u++) {
      ShortVector a0 = IntVector.broadcast(I, x[begin + 2 * u]).reinterpretAsShorts().mul(minus);
      ShortVector b0 =
          IntVector.broadcast(I, x[begin + 2 * u + 1]).reinterpretAsShorts().mul(minus);
      ShortVector a1 =
          IntVector.broadcast(I, x[begin + 2 * u + stride]).reinterpretAsShorts().mul(minus);
      ShortVector b1 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + stride]).reinterpretAsShorts().mul(minus);
      ShortVector a2 =
          IntVector.broadcast(I, x[begin + 2 * u + 2 * stride]).reinterpretAsShorts().mul(minus);
      ShortVector b2 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + 2 * stride])
              .reinterpretAsShorts()
              .mul(minus);
      ShortVector a3 =
          IntVector.broadcast(I, x[begin + 2 * u + 3 * stride]).reinterpretAsShorts().mul(minus);
      ShortVector b3 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + 3 * stride])
              .reinterpretAsShorts()
              .mul(minus);
      int k = at + 4 * quads * u;
      for (int i = 0; i < quads; i++) {
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, codes, LE);
        ShortVector evenA = v.and(low);
        ShortVector oddA = v.lanewise(VectorOperators.LSHR, 8).and(low);
        ShortVector evenB = v.lanewise(VectorOperators.LSHR, 4).and(low);
        ShortVector oddB = v.lanewise(VectorOperators.LSHR, 12);
        a0 = evenA.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts()).add(a0);
        a0 = oddA.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()).add(a0);
        b0 = evenB.mul(IntVector.broadcast(I, x[k + 2 * quads]).reinterpretAsShorts()).add(b0);
        b0 = oddB.mul(IntVector.broadcast(I, x[k + 2 * quads + 1]).reinterpretAsShorts()).add(b0);
        a1 = evenA.mul(IntVector.broadcast(I, x[k + stride]).reinterpretAsShorts()).add(a1);
        a1 = oddA.mul(IntVector.broadcast(I, x[k + stride + 1]).reinterpretAsShorts()).add(a1);
        b1 =
            evenB
                .mul(IntVector.broadcast(I, x[k + stride + 2 * quads]).reinterpretAsShorts())
                .add(b1);
        b1 =
            oddB.mul(IntVector.broadcast(I, x[k + stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b1);
        a2 = evenA.mul(IntVector.broadcast(I, x[k + 2 * stride]).reinterpretAsShorts()).add(a2);
        a2 = oddA.mul(IntVector.broadcast(I, x[k + 2 * stride + 1]).reinterpretAsShorts()).add(a2);
        b2 =
            evenB
                .mul(IntVector.broadcast(I, x[k + 2 * stride + 2 * quads]).reinterpretAsShorts())
                .add(b2);
        b2 =
            oddB.mul(
                    IntVector.broadcast(I, x[k + 2 * stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b2);
        a3 = evenA.mul(IntVector.broadcast(I, x[k + 3 * stride]).reinterpretAsShorts()).add(a3);
        a3 = oddA.mul(IntVector.broadcast(I, x[k + 3 * stride + 1]).reinterpretAsShorts()).add(a3);
        b3 =
            evenB
                .mul(IntVector.broadcast(I, x[k + 3 * stride + 2 * quads]).reinterpretAsShorts())
                .add(b3);
        b3 =
            oddB.mul(
                    IntVector.broadcast(I, x[k + 3 * stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b3);
        codes += 64;
        k += 2;
      }
      a0.intoMemorySegment(ALL, sums, LE);
      b0.intoMemorySegment(ALL, sums + 64, LE);
      a1.intoMemorySegment(ALL, sums + far, LE);
      b1.intoMemorySegment(ALL, sums + 64 + far, LE);
      a2.intoMemorySegment(ALL, sums + 2 * far, LE);
      b2.intoMemorySegment(ALL, sums + 64 + 2 * far, LE);
      a3.intoMemorySegment(ALL, sums + 3 * far, LE);
      b3.intoMemorySegment(ALL, sums + 64 + 3 * far, LE);
      sums += 128;
    }
  }

  /**
   * Five bits less 16 ({@code bits} 1) or six less 32 (2). A unit begins with the upper bits: those
   * of word i of A and B are in vector i · bits / 4, from bit i · bits % 4 of a byte, and from four
   * bits higher.
   */
  static void more1(
      long codes,
      int units,
      int quads,
      int bits,
      int[] x,
      int at,
      int begin,
      int stride,
      long sums,
      long far) {
    ShortVector low = ShortVector.broadcast(SHORTS, 0x0f0f);
    ShortVector upper = ShortVector.broadcast(SHORTS, bits == 1 ? 0x0101 : 0x0303);
    ShortVector upperB = ShortVector.broadcast(SHORTS, bits == 1 ? 0x1010 : 0x3030);
    ShortVector first = ShortVector.broadcast(SHORTS, 0xff);
    ShortVector minus = ShortVector.broadcast(SHORTS, bits == 1 ? -16 : -32);
    for (int u = 0; u < units; u++) {
      ShortVector a0 = IntVector.broadcast(I, x[begin + 2 * u]).reinterpretAsShorts().mul(minus);
      ShortVector b0 =
          IntVector.broadcast(I, x[begin + 2 * u + 1]).reinterpretAsShorts().mul(minus);
      int k = at + 4 * quads * u;
      long nibbles = codes + 16L * quads * bits;
      for (int i = 0; i < quads; i++) {
        ShortVector h =
            ShortVector.fromMemorySegment(SHORTS, ALL, codes + (i * bits >> 2) * 64L, LE);
        h = h.lanewise(VectorOperators.LSHR, i * bits & 3);
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, nibbles, LE);
        ShortVector both = v.and(low).or(h.and(upper).lanewise(VectorOperators.LSHL, 4));
        ShortVector evenA = both.and(first);
        ShortVector oddA = both.lanewise(VectorOperators.LSHR, 8);
        both = v.lanewise(VectorOperators.LSHR, 4).and(low).or(h.and(upperB));
        ShortVector evenB = both.and(first);
        ShortVector oddB = both.lanewise(VectorOperators.LSHR, 8);
        a0 = evenA.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts()).add(a0);
        a0 = oddA.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()).add(a0);
        b0 = evenB.mul(IntVector.broadcast(I, x[k + 2 * quads]).reinterpretAsShorts()).add(b0);
        b0 = oddB.mul(IntVector.broadcast(I, x[k + 2 * quads + 1]).reinterpretAsShorts()).add(b0);
        nibbles += 64;
        k += 2;
      }
      codes = nibbles;
      a0.intoMemorySegment(ALL, sums, LE);
      b0.intoMemorySegment(ALL, sums + 64, LE);
      sums += 128;
    }
  }

  static void more4(
      long codes,
      int units,
      int quads,
      int bits,
      int[] x,
      int at,
      int begin,
      int stride,
      long sums,
      long far) {
    ShortVector low = ShortVector.broadcast(SHORTS, 0x0f0f);
    ShortVector upper = ShortVector.broadcast(SHORTS, bits == 1 ? 0x0101 : 0x0303);
    ShortVector upperB = ShortVector.broadcast(SHORTS, bits == 1 ? 0x1010 : 0x3030);
    ShortVector first = ShortVector.broadcast(SHORTS, 0xff);
    ShortVector minus = ShortVector.broadcast(SHORTS, bits == 1 ? -16 : -32);
    for (int u = 0; u < units; u++) {
      ShortVector a0 = IntVector.broadcast(I, x[begin + 2 * u]).reinterpretAsShorts().mul(minus);
      ShortVector b0 =
          IntVector.broadcast(I, x[begin + 2 * u + 1]).reinterpretAsShorts().mul(minus);
      ShortVector a1 =
          IntVector.broadcast(I, x[begin + 2 * u + stride]).reinterpretAsShorts().mul(minus);
      ShortVector b1 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + stride]).reinterpretAsShorts().mul(minus);
      ShortVector a2 =
          IntVector.broadcast(I, x[begin + 2 * u + 2 * stride]).reinterpretAsShorts().mul(minus);
      ShortVector b2 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + 2 * stride])
              .reinterpretAsShorts()
              .mul(minus);
      ShortVector a3 =
          IntVector.broadcast(I, x[begin + 2 * u + 3 * stride]).reinterpretAsShorts().mul(minus);
      ShortVector b3 =
          IntVector.broadcast(I, x[begin + 2 * u + 1 + 3 * stride])
              .reinterpretAsShorts()
              .mul(minus);
      int k = at + 4 * quads * u;
      long nibbles = codes + 16L * quads * bits;
      for (int i = 0; i < quads; i++) {
        ShortVector h =
            ShortVector.fromMemorySegment(SHORTS, ALL, codes + (i * bits >> 2) * 64L, LE);
        h = h.lanewise(VectorOperators.LSHR, i * bits & 3);
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, nibbles, LE);
        ShortVector both = v.and(low).or(h.and(upper).lanewise(VectorOperators.LSHL, 4));
        ShortVector evenA = both.and(first);
        ShortVector oddA = both.lanewise(VectorOperators.LSHR, 8);
        both = v.lanewise(VectorOperators.LSHR, 4).and(low).or(h.and(upperB));
        ShortVector evenB = both.and(first);
        ShortVector oddB = both.lanewise(VectorOperators.LSHR, 8);
        a0 = evenA.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts()).add(a0);
        a0 = oddA.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()).add(a0);
        b0 = evenB.mul(IntVector.broadcast(I, x[k + 2 * quads]).reinterpretAsShorts()).add(b0);
        b0 = oddB.mul(IntVector.broadcast(I, x[k + 2 * quads + 1]).reinterpretAsShorts()).add(b0);
        a1 = evenA.mul(IntVector.broadcast(I, x[k + stride]).reinterpretAsShorts()).add(a1);
        a1 = oddA.mul(IntVector.broadcast(I, x[k + stride + 1]).reinterpretAsShorts()).add(a1);
        b1 =
            evenB
                .mul(IntVector.broadcast(I, x[k + stride + 2 * quads]).reinterpretAsShorts())
                .add(b1);
        b1 =
            oddB.mul(IntVector.broadcast(I, x[k + stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b1);
        a2 = evenA.mul(IntVector.broadcast(I, x[k + 2 * stride]).reinterpretAsShorts()).add(a2);
        a2 = oddA.mul(IntVector.broadcast(I, x[k + 2 * stride + 1]).reinterpretAsShorts()).add(a2);
        b2 =
            evenB
                .mul(IntVector.broadcast(I, x[k + 2 * stride + 2 * quads]).reinterpretAsShorts())
                .add(b2);
        b2 =
            oddB.mul(
                    IntVector.broadcast(I, x[k + 2 * stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b2);
        a3 = evenA.mul(IntVector.broadcast(I, x[k + 3 * stride]).reinterpretAsShorts()).add(a3);
        a3 = oddA.mul(IntVector.broadcast(I, x[k + 3 * stride + 1]).reinterpretAsShorts()).add(a3);
        b3 =
            evenB
                .mul(IntVector.broadcast(I, x[k + 3 * stride + 2 * quads]).reinterpretAsShorts())
                .add(b3);
        b3 =
            oddB.mul(
                    IntVector.broadcast(I, x[k + 3 * stride + 2 * quads + 1]).reinterpretAsShorts())
                .add(b3);
        nibbles += 64;
        k += 2;
      }
      codes = nibbles;
      a0.intoMemorySegment(ALL, sums, LE);
      b0.intoMemorySegment(ALL, sums + 64, LE);
      a1.intoMemorySegment(ALL, sums + far, LE);
      b1.intoMemorySegment(ALL, sums + 64 + far, LE);
      a2.intoMemorySegment(ALL, sums + 2 * far, LE);
      b2.intoMemorySegment(ALL, sums + 64 + 2 * far, LE);
      a3.intoMemorySegment(ALL, sums + 3 * far, LE);
      b3.intoMemorySegment(ALL, sums + 64 + 3 * far, LE);
      sums += 128;
    }
  }

  /** Signed bytes. A unit is one group of 32 columns; its sums are integers, lane by row. */
  static void bytes1(
      long codes, int units, int[] x, int at, int begin, int stride, long sums, long far) {
    for (int u = 0; u < units; u++) {
      IntVector a0 = IntVector.zero(I);
      int k = at + 16 * u;
      for (int i = 0; i < 8; i++) {
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, codes, LE);
        ShortVector even = v.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8);
        ShortVector odd = v.lanewise(VectorOperators.ASHR, 8);
        IntVector p =
            even.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts())
                .add(odd.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()))
                .reinterpretAsInts();
        a0 = p.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16).add(a0);
        a0 = p.lanewise(VectorOperators.ASHR, 16).add(a0);
        codes += 64;
        k += 2;
      }
      a0.intoMemorySegment(ALL, sums, LE);
      sums += 64;
    }
  }

  static void bytes4(
      long codes, int units, int[] x, int at, int begin, int stride, long sums, long far) {
    for (int u = 0; u < units; u++) {
      IntVector a0 = IntVector.zero(I);
      IntVector a1 = IntVector.zero(I);
      IntVector a2 = IntVector.zero(I);
      IntVector a3 = IntVector.zero(I);
      int k = at + 16 * u;
      for (int i = 0; i < 8; i++) {
        ShortVector v = ShortVector.fromMemorySegment(SHORTS, ALL, codes, LE);
        ShortVector even = v.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8);
        ShortVector odd = v.lanewise(VectorOperators.ASHR, 8);
        IntVector p =
            even.mul(IntVector.broadcast(I, x[k]).reinterpretAsShorts())
                .add(odd.mul(IntVector.broadcast(I, x[k + 1]).reinterpretAsShorts()))
                .reinterpretAsInts();
        a0 = p.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16).add(a0);
        a0 = p.lanewise(VectorOperators.ASHR, 16).add(a0);
        p =
            even.mul(IntVector.broadcast(I, x[k + stride]).reinterpretAsShorts())
                .add(odd.mul(IntVector.broadcast(I, x[k + stride + 1]).reinterpretAsShorts()))
                .reinterpretAsInts();
        a1 = p.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16).add(a1);
        a1 = p.lanewise(VectorOperators.ASHR, 16).add(a1);
        p =
            even.mul(IntVector.broadcast(I, x[k + 2 * stride]).reinterpretAsShorts())
                .add(odd.mul(IntVector.broadcast(I, x[k + 2 * stride + 1]).reinterpretAsShorts()))
                .reinterpretAsInts();
        a2 = p.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16).add(a2);
        a2 = p.lanewise(VectorOperators.ASHR, 16).add(a2);
        p =
            even.mul(IntVector.broadcast(I, x[k + 3 * stride]).reinterpretAsShorts())
                .add(odd.mul(IntVector.broadcast(I, x[k + 3 * stride + 1]).reinterpretAsShorts()))
                .reinterpretAsInts();
        a3 = p.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16).add(a3);
        a3 = p.lanewise(VectorOperators.ASHR, 16).add(a3);
        codes += 64;
        k += 2;
      }
      a0.intoMemorySegment(ALL, sums, LE);
      a1.intoMemorySegment(ALL, sums + far, LE);
      a2.intoMemorySegment(ALL, sums + 2 * far, LE);
      a3.intoMemorySegment(ALL, sums + 3 * far, LE);
      sums += 64;
    }
  }
}
