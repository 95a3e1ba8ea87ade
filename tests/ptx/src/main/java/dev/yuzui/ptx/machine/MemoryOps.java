package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import dev.yuzui.ptx.machine.Access.Kind;
import dev.yuzui.ptx.machine.Access.Place;
import dev.yuzui.ptx.machine.Access.Space;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Set;

/** ld, st and atom. */
final class MemoryOps {
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

  /** What may stand between ld or st and the type. */
  private static final Set<String> KNOWN =
      Set.of("global", "shared", "local", "nc", "cs", "v2", "v4");

  private final Decoder decoder;

  MemoryOps(Decoder decoder) {
    this.decoder = decoder;
  }

  /** An address: a register of either bank or a constant, and an offset. */
  record Address(boolean wide, int base, long offset) {
    long of(Warp w, int lane) {
      return (wide ? w.q[base + lane] : w.r[base + lane] & 0xffffffffL) + offset;
    }
  }

  static Address address(Decoder decoder, Operand o) {
    Operand.Memory memory = (Operand.Memory) o;
    boolean wide = Decoder.wide(memory.base());
    int base = wide ? decoder.quad(memory.base()) : decoder.word(memory.base(), PtxType.U32);
    return new Address(wide, base, memory.offset());
  }

  Operation operation(Instruction i) {
    String[] parts = i.opcode().split("\\.");
    if (parts[0].equals("ld") && i.has("param")) {
      return parameter(i);
    }
    if (parts[0].equals("atom")) {
      return atomic(i);
    }
    for (int n = 1; n < parts.length - 1; n++) {
      if (!KNOWN.contains(parts[n])) {
        throw Decoder.unknown(i);
      }
    }
    return parts[0].equals("ld") ? load(i) : store(i);
  }

  /** Generic addresses are those of global memory here, as no instruction makes others. */
  private static Space space(Instruction i) {
    return i.has("shared") ? Space.SHARED : i.has("local") ? Space.LOCAL : Space.GLOBAL;
  }

  private static List<Operand> parts(Operand o) {
    return o instanceof Operand.Vector(List<Operand> parts) ? parts : List.of(o);
  }

  private Operation parameter(Instruction i) {
    Operand.Memory from = (Operand.Memory) i.operands().get(1);
    if (from.offset() != 0) {
      throw Decoder.unknown(i);
    }
    int a = decoder.parameter(((Operand.Symbol) from.base()).name());
    PtxType type = i.type();
    Operand to = i.operands().get(0);
    if (type.bytes() == 8) {
      return MoveOps.copyLongs(decoder.quad(to), a);
    }
    if (!Decoder.wide(to)) {
      return MoveOps.copy(decoder.word(to, type), a);
    }
    int d = decoder.quad(to);
    long keep = type.signed() ? -1L : 0xffffffffL;
    return (w, m) -> {
      for (int l = 0; l < Warp.LANES; l++) {
        w.u[l] = w.r[a + l] & keep;
      }
      w.putLongs(d, m);
    };
  }

  private Operation load(Instruction i) {
    PtxType type = i.type();
    int size = type.bytes();
    List<Operand> to = parts(i.operands().get(0));
    boolean wide = Decoder.wide(to.getFirst());
    int[] d = to.stream().mapToInt(o -> wide ? decoder.quad(o) : decoder.word(o, type)).toArray();
    Address address = address(decoder, i.operands().get(1));
    Space space = space(i);
    Kind kind = i.has("nc") ? Kind.READ_CONSTANT : Kind.READ;
    int bytes = size * d.length;
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        Place at = Access.place(w, lane, space, kind, address.of(w, lane), bytes);
        for (int n = 0; n < d.length; n++) {
          long v = read(type, at.bytes(), at.offset() + n * size);
          if (wide) {
            w.q[d[n] + lane] = v;
          } else {
            w.r[d[n] + lane] = (int) v;
          }
        }
      }
    };
  }

  private static long read(PtxType type, byte[] from, int at) {
    return switch (type.bytes()) {
      case 1 -> type.signed() ? from[at] : from[at] & 0xff;
      case 2 -> type.signed() ? (short) SHORT.get(from, at) : (short) SHORT.get(from, at) & 0xffff;
      case 4 -> type.signed() ? (int) INT.get(from, at) : (int) INT.get(from, at) & 0xffffffffL;
      default -> (long) LONG.get(from, at);
    };
  }

  private Operation store(Instruction i) {
    PtxType type = i.type();
    int size = type.bytes();
    List<Operand> from = parts(i.operands().get(1));
    boolean wide = size == 8;
    int[] a = from.stream().mapToInt(o -> wide ? decoder.quad(o) : decoder.word(o, type)).toArray();
    Address address = address(decoder, i.operands().get(0));
    Space space = space(i);
    int bytes = size * a.length;
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        Place at = Access.place(w, lane, space, Kind.WRITE, address.of(w, lane), bytes);
        for (int n = 0; n < a.length; n++) {
          int to = at.offset() + n * size;
          switch (size) {
            case 1 -> at.bytes()[to] = (byte) w.r[a[n] + lane];
            case 2 -> SHORT.set(at.bytes(), to, (short) w.r[a[n] + lane]);
            case 4 -> INT.set(at.bytes(), to, w.r[a[n] + lane]);
            default -> LONG.set(at.bytes(), to, w.q[a[n] + lane]);
          }
        }
      }
    };
  }

  private Operation atomic(Instruction i) {
    boolean shared = i.opcode().equals("atom.shared.add.u32");
    if (!shared && !i.opcode().equals("atom.global.add.u32")) {
      throw Decoder.unknown(i);
    }
    int d = decoder.word(i.operands().get(0), PtxType.U32);
    Address address = address(decoder, i.operands().get(1));
    int a = decoder.word(i.operands().get(2), PtxType.U32);
    Space space = shared ? Space.SHARED : Space.GLOBAL;
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        long where = address.of(w, lane);
        if (!shared) {
          w.block.atomic(w.index * Warp.LANES + lane, where);
        }
        Place at = Access.place(w, lane, space, Kind.ATOMIC, where, 4);
        int before = (int) INT.get(at.bytes(), at.offset());
        INT.set(at.bytes(), at.offset(), before + w.r[a + lane]);
        w.r[d + lane] = before;
      }
    };
  }
}
