package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/** What gives predicates: comparisons, and logic of predicates. A predicate is a bit a lane. */
final class CompareOps {
  private final Decoder decoder;

  CompareOps(Decoder decoder) {
    this.decoder = decoder;
  }

  @FunctionalInterface
  private interface IntTest {
    boolean holds(int a, int b);
  }

  @FunctionalInterface
  private interface LongTest {
    boolean holds(long a, long b);
  }

  @FunctionalInterface
  private interface FloatTest {
    boolean holds(float a, float b);
  }

  Operation operation(Instruction i) {
    PtxType type = i.type();
    List<Operand> o = i.operands();
    int d = decoder.predicate(o.get(0));
    String test = i.opcode().split("\\.")[1];
    if (type.bytes() == 8) {
      int a = decoder.quad(o.get(1));
      int b = decoder.quad(o.get(2));
      LongTest holds = longs(i, test);
      return (w, m) -> {
        int bits = 0;
        for (int l = 0; l < LANES; l++) {
          bits |= holds.holds(w.q[a + l], w.q[b + l]) ? 1 << l : 0;
        }
        w.putPredicate(d, bits, m);
      };
    }
    int a = decoder.word(o.get(1), type);
    int b = decoder.word(o.get(2), type);
    if (type == PtxType.F32) {
      FloatTest holds = floats(i, test);
      return (w, m) -> {
        int bits = 0;
        for (int l = 0; l < LANES; l++) {
          float x = Float.intBitsToFloat(w.r[a + l]);
          float y = Float.intBitsToFloat(w.r[b + l]);
          bits |= holds.holds(x, y) ? 1 << l : 0;
        }
        w.putPredicate(d, bits, m);
      };
    }
    IntTest holds = ints(i, test);
    int shift = type.bytes() == 2 ? 16 : 0;
    return (w, m) -> {
      int bits = 0;
      for (int l = 0; l < LANES; l++) {
        // moved up, 16 bits compare as 32 do, with their sign or without
        bits |= holds.holds(w.r[a + l] << shift, w.r[b + l] << shift) ? 1 << l : 0;
      }
      w.putPredicate(d, bits, m);
    };
  }

  private static IntTest ints(Instruction i, String test) {
    boolean signed = i.type().signed();
    return switch (test) {
      case "eq" -> (a, b) -> a == b;
      case "ne" -> (a, b) -> a != b;
      case "lt" -> signed ? (a, b) -> a < b : (a, b) -> Integer.compareUnsigned(a, b) < 0;
      case "le" -> signed ? (a, b) -> a <= b : (a, b) -> Integer.compareUnsigned(a, b) <= 0;
      case "gt" -> signed ? (a, b) -> a > b : (a, b) -> Integer.compareUnsigned(a, b) > 0;
      case "ge" -> signed ? (a, b) -> a >= b : (a, b) -> Integer.compareUnsigned(a, b) >= 0;
      default -> throw Decoder.unknown(i);
    };
  }

  private static LongTest longs(Instruction i, String test) {
    boolean signed = i.type().signed();
    return switch (test) {
      case "eq" -> (a, b) -> a == b;
      case "ne" -> (a, b) -> a != b;
      case "lt" -> signed ? (a, b) -> a < b : (a, b) -> Long.compareUnsigned(a, b) < 0;
      case "le" -> signed ? (a, b) -> a <= b : (a, b) -> Long.compareUnsigned(a, b) <= 0;
      case "gt" -> signed ? (a, b) -> a > b : (a, b) -> Long.compareUnsigned(a, b) > 0;
      case "ge" -> signed ? (a, b) -> a >= b : (a, b) -> Long.compareUnsigned(a, b) >= 0;
      default -> throw Decoder.unknown(i);
    };
  }

  /** Without u, what involves NaN does not hold; with it, it does. */
  private static FloatTest floats(Instruction i, String test) {
    return switch (test) {
      case "eq" -> (a, b) -> a == b;
      case "ne" -> (a, b) -> a < b || a > b;
      case "lt" -> (a, b) -> a < b;
      case "le" -> (a, b) -> a <= b;
      case "gt" -> (a, b) -> a > b;
      case "ge" -> (a, b) -> a >= b;
      case "equ" -> (a, b) -> !(a < b || a > b);
      case "neu" -> (a, b) -> a != b;
      case "ltu" -> (a, b) -> !(a >= b);
      case "leu" -> (a, b) -> !(a > b);
      case "gtu" -> (a, b) -> !(a <= b);
      case "geu" -> (a, b) -> !(a < b);
      case "num" -> (a, b) -> !Float.isNaN(a) && !Float.isNaN(b);
      case "nan" -> (a, b) -> Float.isNaN(a) || Float.isNaN(b);
      default -> throw Decoder.unknown(i);
    };
  }

  Operation logic(Instruction i) {
    List<Operand> o = i.operands();
    int d = decoder.predicate(o.get(0));
    int a = decoder.predicate(o.get(1));
    if (i.opcode().equals("not.pred")) {
      return (w, m) -> w.putPredicate(d, ~w.p[a], m);
    }
    int b = decoder.predicate(o.get(2));
    return switch (i.opcode()) {
      case "and.pred" -> (w, m) -> w.putPredicate(d, w.p[a] & w.p[b], m);
      case "or.pred" -> (w, m) -> w.putPredicate(d, w.p[a] | w.p[b], m);
      case "xor.pred" -> (w, m) -> w.putPredicate(d, w.p[a] ^ w.p[b], m);
      default -> throw Decoder.unknown(i);
    };
  }
}
