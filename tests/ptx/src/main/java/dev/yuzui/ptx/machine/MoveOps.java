package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/** mov, selp and cvta: bits that stay as they are, packed and unpacked. */
final class MoveOps {
  private final Decoder decoder;

  MoveOps(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    List<Operand> o = i.operands();
    if (i.opcode().startsWith("selp")) {
      return select(i);
    }
    if (i.opcode().startsWith("cvta")) {
      // generic addresses of global memory are the same numbers; these kernels make no others
      if (!i.opcode().equals("cvta.to.global.u64")) {
        throw Decoder.unknown(i);
      }
      return copyLongs(decoder.quad(o.get(0)), decoder.quad(o.get(1)));
    }
    if (i.type() == PtxType.PRED) {
      return predicate(i);
    }
    if (o.get(0) instanceof Operand.Vector(List<Operand> parts)) {
      return unpack(i, parts, o.get(1));
    }
    if (o.get(1) instanceof Operand.Vector(List<Operand> parts)) {
      return pack(i, o.get(0), parts);
    }
    return i.type().bytes() == 8
        ? copyLongs(decoder.quad(o.get(0)), decoder.quad(o.get(1)))
        : copy(decoder.word(o.get(0), i.type()), decoder.word(o.get(1), i.type()));
  }

  static Operation copy(int d, int a) {
    return (w, m) -> {
      if (m == Warp.ALL) {
        System.arraycopy(w.r, a, w.r, d, LANES);
        return;
      }
      for (int x = m; x != 0; x &= x - 1) {
        int l = Integer.numberOfTrailingZeros(x);
        w.r[d + l] = w.r[a + l];
      }
    };
  }

  static Operation copyLongs(int d, int a) {
    return (w, m) -> {
      if (m == Warp.ALL) {
        System.arraycopy(w.q, a, w.q, d, LANES);
        return;
      }
      for (int x = m; x != 0; x &= x - 1) {
        int l = Integer.numberOfTrailingZeros(x);
        w.q[d + l] = w.q[a + l];
      }
    };
  }

  private Operation predicate(Instruction i) {
    int d = decoder.predicate(i.operands().get(0));
    return switch (i.operands().get(1)) {
      case Operand.Immediate(long bits) -> {
        int all = bits == 0 ? 0 : Warp.ALL;
        yield (w, m) -> w.putPredicate(d, all, m);
      }
      case Operand o -> {
        int a = decoder.predicate(o);
        yield (w, m) -> w.putPredicate(d, w.p[a], m);
      }
    };
  }

  private Operation select(Instruction i) {
    List<Operand> o = i.operands();
    int p = decoder.predicate(o.get(3));
    if (i.type().bytes() == 8) {
      int d = decoder.quad(o.get(0));
      int a = decoder.quad(o.get(1));
      int b = decoder.quad(o.get(2));
      return (w, m) -> {
        int bits = w.p[p];
        for (int l = 0; l < LANES; l++) {
          w.u[l] = (bits >>> l & 1) != 0 ? w.q[a + l] : w.q[b + l];
        }
        w.putLongs(d, m);
      };
    }
    int d = decoder.word(o.get(0), i.type());
    int a = decoder.word(o.get(1), i.type());
    int b = decoder.word(o.get(2), i.type());
    return (w, m) -> {
      int bits = w.p[p];
      for (int l = 0; l < LANES; l++) {
        w.t[l] = (bits >>> l & 1) != 0 ? w.r[a + l] : w.r[b + l];
      }
      w.put(d, m);
    };
  }

  /** Two halves of a word, or two words of a long; the first is the low one. */
  private Operation unpack(Instruction i, List<Operand> parts, Operand from) {
    if (parts.size() != 2) {
      throw Decoder.unknown(i);
    }
    boolean longs = i.type().bytes() == 8;
    int a = longs ? decoder.quad(from) : decoder.word(from, PtxType.B32);
    PtxType part = longs ? PtxType.B32 : PtxType.B16;
    int low = parts.get(0) instanceof Operand.Sink ? -1 : decoder.word(parts.get(0), part);
    int high = parts.get(1) instanceof Operand.Sink ? -1 : decoder.word(parts.get(1), part);
    return (w, m) -> {
      for (int x = m; x != 0; x &= x - 1) {
        int l = Integer.numberOfTrailingZeros(x);
        long v = longs ? w.q[a + l] : w.r[a + l];
        if (low >= 0) {
          w.r[low + l] = longs ? (int) v : (int) v & 0xffff;
        }
        if (high >= 0) {
          w.r[high + l] = longs ? (int) (v >>> 32) : (int) v >>> 16;
        }
      }
    };
  }

  private Operation pack(Instruction i, Operand to, List<Operand> parts) {
    if (parts.size() != 2) {
      throw Decoder.unknown(i);
    }
    boolean longs = i.type().bytes() == 8;
    int d = longs ? decoder.quad(to) : decoder.word(to, PtxType.B32);
    PtxType part = longs ? PtxType.B32 : PtxType.B16;
    int low = decoder.word(parts.get(0), part);
    int high = decoder.word(parts.get(1), part);
    return (w, m) -> {
      for (int x = m; x != 0; x &= x - 1) {
        int l = Integer.numberOfTrailingZeros(x);
        if (longs) {
          w.q[d + l] = w.r[low + l] & 0xffffffffL | (long) w.r[high + l] << 32;
        } else {
          w.r[d + l] = w.r[low + l] & 0xffff | w.r[high + l] << 16;
        }
      }
    };
  }
}
