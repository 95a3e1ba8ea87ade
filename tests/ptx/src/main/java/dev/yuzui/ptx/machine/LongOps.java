package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/** Integers of 64 bits, and products of narrower ones that are wider. */
final class LongOps {
  private final Decoder decoder;

  LongOps(Decoder decoder) {
    this.decoder = decoder;
  }

  @FunctionalInterface
  private interface Lanes {
    void run(long[] q, int a, int b, int c, long[] u);
  }

  Operation operation(Instruction i) {
    if (i.has("wide")) {
      return wide(i);
    }
    List<Operand> o = i.operands();
    if (i.opcode().startsWith("sh")) {
      return shift(i);
    }
    if (i.opcode().equals("bfi.b64")) {
      return insert(i);
    }
    int d = decoder.quad(o.get(0));
    int a = decoder.quad(o.get(1));
    int b = o.size() > 2 ? decoder.quad(o.get(2)) : a;
    int c = o.size() > 3 ? decoder.quad(o.get(3)) : a;
    Lanes lanes = lanes(i);
    boolean divides = i.opcode().startsWith("div") || i.opcode().startsWith("rem");
    return (w, m) -> {
      if (divides) {
        nonZero(w, b, m);
      }
      lanes.run(w.q, a, b, c, w.u);
      w.putLongs(d, m);
    };
  }

  private static void nonZero(Warp w, int b, int mask) {
    for (int m = mask; m != 0; m &= m - 1) {
      if (w.q[b + Integer.numberOfTrailingZeros(m)] == 0) {
        throw w.fault("division by zero");
      }
    }
  }

  private static Lanes lanes(Instruction i) {
    return switch (i.opcode()) {
      case "add.s64", "add.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] + q[b + l];
          };
      case "sub.s64", "sub.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] - q[b + l];
          };
      case "mul.lo.s64", "mul.lo.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] * q[b + l];
          };
      case "mad.lo.s64", "mad.lo.u64" ->
          (q, a, b, c, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] * q[b + l] + q[c + l];
          };
      case "and.b64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] & q[b + l];
          };
      case "or.b64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] | q[b + l];
          };
      case "xor.b64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] ^ q[b + l];
          };
      case "not.b64" ->
          (q, a, _, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = ~q[a + l];
          };
      case "neg.s64" ->
          (q, a, _, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = -q[a + l];
          };
      case "max.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++)
              u[l] = Long.compareUnsigned(q[a + l], q[b + l]) > 0 ? q[a + l] : q[b + l];
          };
      case "min.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++)
              u[l] = Long.compareUnsigned(q[a + l], q[b + l]) < 0 ? q[a + l] : q[b + l];
          };
      case "max.s64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = Math.max(q[a + l], q[b + l]);
          };
      case "min.s64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = Math.min(q[a + l], q[b + l]);
          };
      case "div.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = Long.divideUnsigned(q[a + l], divisor(q[b + l]));
          };
      case "rem.u64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++)
              u[l] = Long.remainderUnsigned(q[a + l], divisor(q[b + l]));
          };
      case "div.s64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] / divisor(q[b + l]);
          };
      case "rem.s64" ->
          (q, a, b, _, u) -> {
            for (int l = 0; l < LANES; l++) u[l] = q[a + l] % divisor(q[b + l]);
          };
      default -> throw Decoder.unknown(i);
    };
  }

  private static long divisor(long b) {
    return b == 0 ? 1 : b;
  }

  /** The amount is of 32 bits whatever is shifted; 64 and more shift everything out. */
  private Operation shift(Instruction i) {
    int d = decoder.quad(i.operands().get(0));
    int a = decoder.quad(i.operands().get(1));
    int b = decoder.word(i.operands().get(2), PtxType.U32);
    return switch (i.opcode()) {
      case "shl.b64" ->
          (w, m) -> {
            for (int l = 0; l < LANES; l++) {
              w.u[l] = beyond(w.r[b + l]) ? 0 : w.q[a + l] << w.r[b + l];
            }
            w.putLongs(d, m);
          };
      case "shr.u64", "shr.b64" ->
          (w, m) -> {
            for (int l = 0; l < LANES; l++) {
              w.u[l] = beyond(w.r[b + l]) ? 0 : w.q[a + l] >>> w.r[b + l];
            }
            w.putLongs(d, m);
          };
      case "shr.s64" ->
          (w, m) -> {
            for (int l = 0; l < LANES; l++) {
              w.u[l] = w.q[a + l] >> (beyond(w.r[b + l]) ? 63 : w.r[b + l]);
            }
            w.putLongs(d, m);
          };
      default -> throw Decoder.unknown(i);
    };
  }

  private static boolean beyond(int amount) {
    return Integer.compareUnsigned(amount, 64) >= 0;
  }

  private Operation insert(Instruction i) {
    List<Operand> o = i.operands();
    int d = decoder.quad(o.get(0));
    int a = decoder.quad(o.get(1));
    int b = decoder.quad(o.get(2));
    int position = decoder.word(o.get(3), PtxType.U32);
    int length = decoder.word(o.get(4), PtxType.U32);
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        int from = w.r[position + l] & 0xff;
        int bits = w.r[length + l] & 0xff;
        long mask = bits >= 64 ? -1L : (1L << bits) - 1;
        long at = from >= 64 ? 0 : mask << from;
        w.u[l] = w.q[b + l] & ~at | (from >= 64 ? 0 : w.q[a + l] << from) & at;
      }
      w.putLongs(d, m);
    };
  }

  /** mul.wide and mad.wide: 16 bits to 32, 32 to 64. */
  private Operation wide(Instruction i) {
    List<Operand> o = i.operands();
    PtxType type = i.type();
    int a = decoder.word(o.get(1), type);
    int b = decoder.word(o.get(2), type);
    boolean adds = i.opcode().startsWith("mad");
    if (type.bytes() == 2) {
      int d = decoder.word(o.get(0), PtxType.U32);
      if (adds) {
        throw Decoder.unknown(i);
      }
      boolean signed = type.signed();
      return (w, m) -> {
        for (int l = 0; l < LANES; l++) {
          int x = w.r[a + l];
          int y = w.r[b + l];
          w.t[l] = signed ? (short) x * (short) y : (x & 0xffff) * (y & 0xffff);
        }
        w.put(d, m);
      };
    }
    int d = decoder.quad(o.get(0));
    int c = adds ? decoder.quad(o.get(3)) : 0;
    long keep = type.signed() ? -1L : 0xffffffffL;
    return (w, m) -> {
      for (int l = 0; l < LANES; l++) {
        w.u[l] = (w.r[a + l] & keep) * (w.r[b + l] & keep) + (adds ? w.q[c + l] : 0);
      }
      w.putLongs(d, m);
    };
  }
}
