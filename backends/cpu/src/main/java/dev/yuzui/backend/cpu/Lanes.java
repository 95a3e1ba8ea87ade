package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dequantizer;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Species of one shape of float vector and the loads that fill it. Small enough to be inlined
 * wherever they are called; on 8- and 16-lane processors a block of 16 or 32 elements is a whole
 * number of vectors.
 */
final class Lanes {
  static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;

  /** As many bytes as F has floats. */
  static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, F.vectorBitSize() / 4)));

  static final VectorSpecies<Float> EIGHT = FloatVector.SPECIES_256;

  /** Two shorts for each float. */
  static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_PREFERRED;

  static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(Math.max(64, F.vectorBitSize() / 2)));

  /** Floats a vector. */
  static final int L = F.length();

  /** Lanes exchanged with those whose number differs in one bit. */
  private static final VectorShuffle<Float> X8 = VectorShuffle.fromOp(F, i -> (i ^ 8) & (L - 1));

  private static final VectorShuffle<Float> X4 = VectorShuffle.fromOp(F, i -> i ^ 4);
  private static final VectorShuffle<Float> X2 = VectorShuffle.fromOp(F, i -> i ^ 2);
  private static final VectorShuffle<Float> X1 = VectorShuffle.fromOp(F, i -> i ^ 1);

  /** The upper half of a vector. */
  static final VectorMask<Float> UPPER = VectorMask.fromLong(F, -1L << L / 2);

  private static final float[] IQ4 = iq4();

  private Lanes() {}

  static FloatVector zero() {
    return FloatVector.zero(F);
  }

  static FloatVector all(float v) {
    return FloatVector.broadcast(F, v);
  }

  static FloatVector f32(long at) {
    return FloatVector.fromMemorySegment(F, Memory.ALL, at, Memory.LE);
  }

  static void store(FloatVector v, long at) {
    v.intoMemorySegment(Memory.ALL, at, Memory.LE);
  }

  /**
   * The sum of all lanes, in the same order however the code runs: {@code reduceLanes} adds in
   * another order before it is compiled.
   */
  static float sum(FloatVector v) {
    if (L == 16) {
      v = v.add(v.rearrange(X8));
    }
    v = v.add(v.rearrange(X4));
    v = v.add(v.rearrange(X2));
    return v.add(v.rearrange(X1)).lane(0);
  }

  /** L bytes as unsigned integers. */
  static IntVector u8(long at) {
    return (IntVector)
        ByteVector.fromMemorySegment(B, Memory.ALL, at, Memory.LE)
            .convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
  }

  /** L bytes as signed integers. */
  static IntVector i8(long at) {
    return (IntVector)
        ByteVector.fromMemorySegment(B, Memory.ALL, at, Memory.LE)
            .convertShape(VectorOperators.B2I, I, 0);
  }

  /** L shorts as signed integers. */
  static IntVector i16(long at) {
    return (IntVector)
        ShortVector.fromMemorySegment(S, Memory.ALL, at, Memory.LE)
            .convertShape(VectorOperators.S2I, I, 0);
  }

  static FloatVector toFloat(IntVector v) {
    return (FloatVector) v.convert(VectorOperators.I2F, 0);
  }

  static IntVector shr(IntVector v, int by) {
    return v.lanewise(VectorOperators.LSHR, by);
  }

  static IntVector shl(IntVector v, int by) {
    return v.lanewise(VectorOperators.LSHL, by);
  }

  /**
   * L IEEE halves: the exponent is moved into place and its bias corrected by a product, which also
   * makes subnormals right. Infinities and NaN, which no weight or latent is, come out finite.
   */
  static FloatVector f16(long at) {
    IntVector bits = i16(at);
    FloatVector magnitude = shl(bits, 13).and(0x0fff_e000).reinterpretAsFloats().mul(0x1p112f);
    return magnitude.reinterpretAsInts().or(bits.and(0x8000_0000)).reinterpretAsFloats();
  }

  static FloatVector bf16(long at) {
    return shl(i16(at), 16).reinterpretAsFloats();
  }

  /** L E4M3 codes, as {@link #f16}; the two NaN codes come out as ±480. */
  static FloatVector e4m3(long at) {
    IntVector bits = i8(at);
    FloatVector magnitude = shl(bits, 20).and(0x07f0_0000).reinterpretAsFloats().mul(0x1p120f);
    return magnitude.reinterpretAsInts().or(bits.and(0x8000_0000)).reinterpretAsFloats();
  }

  /** Six-bit scale i of the IQ4_XS block at {@code b}. */
  static int iq4xsScale(long b, int i) {
    int low = Memory.u8(b + 4 + i / 2) >> 4 * (i & 1) & 15;
    int high = Memory.i16(b + 2) >> 2 * i & 3;
    return low | high << 4;
  }

  /** v − 16 in each lane whose bit is set. */
  static IntVector subtract16(IntVector v, int bits) {
    return v.lanewise(VectorOperators.SUB, 16, VectorMask.fromLong(I, bits));
  }

  /** v + 16 in each lane whose bit is set, for v below 16. */
  static IntVector or16(IntVector v, int bits) {
    return v.lanewise(VectorOperators.OR, 16, VectorMask.fromLong(I, bits));
  }

  /** The sixteen values of IQ4 codes, or the first eight of them. */
  static FloatVector iq4Table() {
    return FloatVector.fromArray(F, IQ4, 0);
  }

  /** The other eight, where a vector has no more. */
  static FloatVector iq4Upper() {
    return FloatVector.fromArray(F, IQ4, 16 - L);
  }

  static FloatVector lookup(FloatVector table, FloatVector upper, IntVector codes) {
    if (L == 16) {
      return table.rearrange(codes.toShuffle().cast(F));
    }
    VectorShuffle<Float> within = codes.and(7).toShuffle().cast(F);
    return table
        .rearrange(within)
        .blend(upper.rearrange(within), codes.compare(VectorOperators.GT, 7).cast(F));
  }

  private static float[] iq4() {
    byte[] values = Dequantizer.iq4Values();
    float[] out = new float[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[i];
    }
    return out;
  }
}
