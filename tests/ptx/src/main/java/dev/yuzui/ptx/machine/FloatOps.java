package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;
import static java.lang.Float.floatToRawIntBits;
import static java.lang.Float.intBitsToFloat;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/** Arithmetic of floats and of pairs of halves. */
final class FloatOps {
  private final Decoder decoder;

  FloatOps(Decoder decoder) {
    this.decoder = decoder;
  }

  @FunctionalInterface
  private interface Lanes {
    void run(int[] r, int a, int b, int c, int[] t);
  }

  @FunctionalInterface
  private interface Halves {
    double of(double a, double b, double c);
  }

  Operation operation(Instruction i) {
    List<Operand> o = i.operands();
    int d = decoder.word(o.get(0), PtxType.F32);
    int a = decoder.word(o.get(1), PtxType.F32);
    int b = o.size() > 2 ? decoder.word(o.get(2), PtxType.F32) : a;
    int c = o.size() > 3 ? decoder.word(o.get(3), PtxType.F32) : a;
    if (i.type() == PtxType.F16X2) {
      return pairs(halves(i), d, a, b, c);
    }
    Lanes lanes = floats(i);
    return (w, m) -> {
      lanes.run(w.r, a, b, c, w.t);
      w.put(d, m);
    };
  }

  private static Lanes floats(Instruction i) {
    return switch (i.opcode()) {
      case "add.f32", "add.rn.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits(intBitsToFloat(r[a + l]) + intBitsToFloat(r[b + l]));
          };
      case "add.rz.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] =
                  floatToRawIntBits(
                      Rounding.addTowardsZero(intBitsToFloat(r[a + l]), intBitsToFloat(r[b + l])));
          };
      case "sub.f32", "sub.rn.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits(intBitsToFloat(r[a + l]) - intBitsToFloat(r[b + l]));
          };
      case "mul.f32", "mul.rn.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits(intBitsToFloat(r[a + l]) * intBitsToFloat(r[b + l]));
          };
      case "fma.rn.f32" ->
          (r, a, b, c, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] =
                  floatToRawIntBits(
                      Math.fma(
                          intBitsToFloat(r[a + l]),
                          intBitsToFloat(r[b + l]),
                          intBitsToFloat(r[c + l])));
          };
      case "fma.rm.f32" ->
          (r, a, b, c, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] =
                  floatToRawIntBits(
                      Rounding.fmaDown(
                          intBitsToFloat(r[a + l]),
                          intBitsToFloat(r[b + l]),
                          intBitsToFloat(r[c + l])));
          };
      case "div.rn.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits(intBitsToFloat(r[a + l]) / intBitsToFloat(r[b + l]));
          };
      case "rcp.rn.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = floatToRawIntBits(1 / intBitsToFloat(r[a + l]));
          };
      case "sqrt.rn.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits((float) Math.sqrt(intBitsToFloat(r[a + l])));
          };
      case "neg.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] ^ 0x80000000;
          };
      case "abs.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] & 0x7fffffff;
          };
      // of a number and NaN, the number
      case "max.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits(greater(intBitsToFloat(r[a + l]), intBitsToFloat(r[b + l])));
          };
      case "min.f32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] =
                  floatToRawIntBits(-greater(-intBitsToFloat(r[a + l]), -intBitsToFloat(r[b + l])));
          };
      case "ex2.approx.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = floatToRawIntBits((float) Math.pow(2, intBitsToFloat(r[a + l])));
          };
      case "ex2.approx.ftz.f32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] =
                  floatToRawIntBits(
                      Rounding.flushed(
                          (float) Math.pow(2, Rounding.flushed(intBitsToFloat(r[a + l])))));
          };
      default -> throw Decoder.unknown(i);
    };
  }

  private static float greater(float a, float b) {
    return Float.isNaN(a) ? b : Float.isNaN(b) ? a : Math.max(a, b);
  }

  private static Halves halves(Instruction i) {
    return switch (i.opcode()) {
      case "add.f16x2", "add.rn.f16x2" -> (a, b, _) -> a + b;
      case "sub.f16x2", "sub.rn.f16x2" -> (a, b, _) -> a - b;
      case "mul.f16x2", "mul.rn.f16x2" -> (a, b, _) -> a * b;
      case "fma.rn.f16x2" -> (a, b, c) -> a * b + c;
      default -> throw Decoder.unknown(i);
    };
  }

  private static Operation pairs(Halves op, int d, int a, int b, int c) {
    return (w, m) -> {
      int[] r = w.r;
      for (int l = 0; l < LANES; l++) {
        int low =
            Rounding.toHalf(
                op.of(
                    Rounding.fromHalf(r[a + l]),
                    Rounding.fromHalf(r[b + l]),
                    Rounding.fromHalf(r[c + l])));
        int high =
            Rounding.toHalf(
                op.of(
                    Rounding.fromHalf(r[a + l] >>> 16),
                    Rounding.fromHalf(r[b + l] >>> 16),
                    Rounding.fromHalf(r[c + l] >>> 16)));
        w.t[l] = low | high << 16;
      }
      w.put(d, m);
    };
  }
}
