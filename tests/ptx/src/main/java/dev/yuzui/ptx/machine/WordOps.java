package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/** Integers of 16 and 32 bits; those of 16 lie zero-extended. */
final class WordOps {
  private final Decoder decoder;

  WordOps(Decoder decoder) {
    this.decoder = decoder;
  }

  /** All lanes of one operation, of registers at a, b and c into t. */
  @FunctionalInterface
  private interface Lanes {
    void run(int[] r, int a, int b, int c, int[] t);
  }

  Operation operation(Instruction i) {
    PtxType type = i.type();
    List<Operand> o = i.operands();
    int d = decoder.word(o.get(0), type);
    int a = decoder.word(o.get(1), type);
    int b =
        o.size() > 2 ? decoder.word(o.get(2), i.opcode().startsWith("sh") ? PtxType.U32 : type) : a;
    int c = o.size() > 3 ? decoder.word(o.get(3), type) : a;
    if (i.opcode().startsWith("bfi")) {
      int length = decoder.word(o.get(4), type);
      return insert(d, a, b, c, length);
    }
    Lanes lanes = type.bytes() == 2 ? halves(i) : words(i);
    boolean divides = i.opcode().startsWith("div") || i.opcode().startsWith("rem");
    return (w, m) -> {
      if (divides) {
        nonZero(w, b, m);
      }
      lanes.run(w.r, a, b, c, w.t);
      w.put(d, m);
    };
  }

  private static void nonZero(Warp w, int b, int mask) {
    for (int m = mask; m != 0; m &= m - 1) {
      if (w.r[b + Integer.numberOfTrailingZeros(m)] == 0) {
        throw w.fault("division by zero");
      }
    }
  }

  private static Lanes words(Instruction i) {
    return switch (i.opcode()) {
      case "add.s32", "add.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] + r[b + l];
          };
      case "sub.s32", "sub.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] - r[b + l];
          };
      case "mul.lo.s32", "mul.lo.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] * r[b + l];
          };
      case "mad.lo.s32", "mad.lo.u32" ->
          (r, a, b, c, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] * r[b + l] + r[c + l];
          };
      case "mul.hi.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = (int) ((long) r[a + l] * r[b + l] >> 32);
          };
      case "mul.hi.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = (int) ((r[a + l] & 0xffffffffL) * (r[b + l] & 0xffffffffL) >>> 32);
          };
      case "and.b32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] & r[b + l];
          };
      case "or.b32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] | r[b + l];
          };
      case "xor.b32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] ^ r[b + l];
          };
      case "not.b32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = ~r[a + l];
          };
      case "popc.b32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = Integer.bitCount(r[a + l]);
          };
      case "neg.s32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = -r[a + l];
          };
      case "abs.s32" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = Math.abs(r[a + l]);
          };
      case "min.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = Math.min(r[a + l], r[b + l]);
          };
      case "max.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = Math.max(r[a + l], r[b + l]);
          };
      case "min.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = Integer.compareUnsigned(r[a + l], r[b + l]) < 0 ? r[a + l] : r[b + l];
          };
      case "max.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = Integer.compareUnsigned(r[a + l], r[b + l]) > 0 ? r[a + l] : r[b + l];
          };
      case "div.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] / divisor(r[b + l]);
          };
      case "rem.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] % divisor(r[b + l]);
          };
      case "div.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = Integer.divideUnsigned(r[a + l], divisor(r[b + l]));
          };
      case "rem.u32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = Integer.remainderUnsigned(r[a + l], divisor(r[b + l]));
          };
      // amounts of 32 and more shift everything out
      case "shl.b32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = beyond(r[b + l], 32) ? 0 : r[a + l] << r[b + l];
          };
      case "shr.u32", "shr.b32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = beyond(r[b + l], 32) ? 0 : r[a + l] >>> r[b + l];
          };
      case "shr.s32" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = r[a + l] >> (beyond(r[b + l], 32) ? 31 : r[b + l]);
          };
      case "prmt.b32" ->
          (r, a, b, c, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = bytes(r[a + l], r[b + l], r[c + l]);
          };
      default -> throw Decoder.unknown(i);
    };
  }

  private static Lanes halves(Instruction i) {
    return switch (i.opcode()) {
      case "add.s16", "add.u16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] + r[b + l] & 0xffff;
          };
      case "sub.s16", "sub.u16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] - r[b + l] & 0xffff;
          };
      case "mul.lo.s16", "mul.lo.u16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] * r[b + l] & 0xffff;
          };
      case "and.b16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] & r[b + l];
          };
      case "or.b16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] | r[b + l];
          };
      case "xor.b16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = r[a + l] ^ r[b + l];
          };
      case "not.b16" ->
          (r, a, _, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = ~r[a + l] & 0xffff;
          };
      case "shl.b16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = beyond(r[b + l], 16) ? 0 : r[a + l] << r[b + l] & 0xffff;
          };
      case "shr.u16", "shr.b16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++) t[l] = beyond(r[b + l], 16) ? 0 : r[a + l] >>> r[b + l];
          };
      case "shr.s16" ->
          (r, a, b, _, t) -> {
            for (int l = 0; l < LANES; l++)
              t[l] = (short) r[a + l] >> (beyond(r[b + l], 16) ? 15 : r[b + l]) & 0xffff;
          };
      default -> throw Decoder.unknown(i);
    };
  }

  /** Lanes that are not active may hold a zero. */
  private static int divisor(int b) {
    return b == 0 ? 1 : b;
  }

  private static boolean beyond(int amount, int bits) {
    return Integer.compareUnsigned(amount, bits) >= 0;
  }

  /** Four of the eight bytes of [b:a], or copies of their signs. */
  private static int bytes(int a, int b, int selectors) {
    long all = a & 0xffffffffL | (long) b << 32;
    int out = 0;
    for (int i = 0; i < 4; i++) {
      int selector = selectors >>> 4 * i & 15;
      int value = (int) (all >>> 8 * (selector & 7)) & 0xff;
      out |= ((selector & 8) == 0 ? value : value > 127 ? 0xff : 0) << 8 * i;
    }
    return out;
  }

  private static Operation insert(int d, int a, int b, int position, int length) {
    return (w, m) -> {
      int[] r = w.r;
      for (int l = 0; l < LANES; l++) {
        int from = r[position + l] & 0xff;
        int bits = r[length + l] & 0xff;
        long mask = bits >= 32 ? 0xffffffffL : (1L << bits) - 1;
        int at = from >= 32 ? 0 : (int) (mask << from);
        w.t[l] = r[b + l] & ~at | (from >= 32 ? 0 : r[a + l] << from) & at;
      }
      w.put(d, m);
    };
  }
}
