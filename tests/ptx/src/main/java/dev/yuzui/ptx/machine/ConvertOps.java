package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;
import static java.lang.Float.floatToRawIntBits;
import static java.lang.Float.intBitsToFloat;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;
import java.util.function.IntUnaryOperator;

/** cvt. */
final class ConvertOps {
  private final Decoder decoder;

  ConvertOps(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    List<Operand> o = i.operands();
    return switch (i.opcode()) {
      // the first operand is the upper half
      case "cvt.rn.f16x2.f32" -> pack(o, v -> Rounding.toHalf(intBitsToFloat(v)));
      case "cvt.rn.bf16x2.f32" -> pack(o, v -> Rounding.toBfloat(intBitsToFloat(v)));
      case "cvt.rn.f16.f32" -> words(o, v -> Rounding.toHalf(intBitsToFloat(v)));
      case "cvt.rn.bf16.f32" -> words(o, v -> Rounding.toBfloat(intBitsToFloat(v)));
      case "cvt.f32.f16" -> words(o, v -> floatToRawIntBits(Rounding.fromHalf(v)));
      case "cvt.rn.f32.s32" -> words(o, v -> floatToRawIntBits((float) v));
      case "cvt.rn.f32.u32" -> words(o, v -> floatToRawIntBits((float) (v & 0xffffffffL)));
      case "cvt.rn.f32.s16" -> words(o, v -> floatToRawIntBits((float) (short) v));
      case "cvt.rn.f32.u16" -> words(o, v -> floatToRawIntBits((float) (v & 0xffff)));
      case "cvt.sat.f32.f32" ->
          words(
              o,
              v -> {
                float f = intBitsToFloat(v);
                return floatToRawIntBits(Float.isNaN(f) ? 0 : Math.clamp(f, 0f, 1f));
              });
      case "cvt.u16.u32", "cvt.u32.u16" -> words(o, v -> v & 0xffff);
      case "cvt.s16.s8" -> words(o, v -> (byte) v & 0xffff);
      case "cvt.s32.s8" -> words(o, v -> (byte) v);
      case "cvt.s32.s16" -> words(o, v -> (short) v);
      case "cvt.s64.s32" -> widen(o, -1L);
      case "cvt.u64.u32" -> widen(o, 0xffffffffL);
      case "cvt.u32.u64" -> narrow(o);
      default -> throw Decoder.unknown(i);
    };
  }

  private Operation words(List<Operand> o, IntUnaryOperator f) {
    int d = decoder.word(o.get(0), PtxType.B32);
    int a = decoder.word(o.get(1), PtxType.B32);
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        w.t[l] = f.applyAsInt(w.r[a + l]);
      }
      w.put(d, m);
    };
  }

  private Operation pack(List<Operand> o, IntUnaryOperator f) {
    int d = decoder.word(o.get(0), PtxType.B32);
    int high = decoder.word(o.get(1), PtxType.F32);
    int low = decoder.word(o.get(2), PtxType.F32);
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        w.t[l] = f.applyAsInt(w.r[low + l]) | f.applyAsInt(w.r[high + l]) << 16;
      }
      w.put(d, m);
    };
  }

  private Operation widen(List<Operand> o, long keep) {
    int d = decoder.quad(o.get(0));
    int a = decoder.word(o.get(1), PtxType.B32);
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        w.u[l] = w.r[a + l] & keep;
      }
      w.putLongs(d, m);
    };
  }

  private Operation narrow(List<Operand> o) {
    int d = decoder.word(o.get(0), PtxType.B32);
    int a = decoder.quad(o.get(1));
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        w.t[l] = (int) w.q[a + l];
      }
      w.put(d, m);
    };
  }
}
