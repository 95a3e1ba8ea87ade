package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import dev.yuzui.ptx.machine.Access.Kind;
import dev.yuzui.ptx.machine.Access.Place;
import dev.yuzui.ptx.machine.Access.Space;
import java.util.List;
import java.util.function.IntBinaryOperator;

/** What the lanes of a warp do together: shuffles, votes, ldmatrix, bar.warp.sync. */
final class WarpOps {
  private static final int POISON = 0xffffbad2;

  private final Decoder decoder;

  WarpOps(Decoder decoder) {
    this.decoder = decoder;
  }

  /** The only one of them that orders accesses to memory. */
  static Operation barrier() {
    return (w, m) -> {
      w.warpBarriers++;
      w.block.meet(w, m);
    };
  }

  Operation operation(Instruction i) {
    return switch (i.opcode()) {
      case "shfl.sync.bfly.b32" -> shuffle(i, (lane, b) -> lane ^ b, false);
      case "shfl.sync.up.b32" -> shuffle(i, (lane, b) -> lane - b, true);
      case "shfl.sync.down.b32" -> shuffle(i, (lane, b) -> lane + b, false);
      case "shfl.sync.idx.b32" -> index(i);
      case "vote.sync.ballot.b32" -> ballot(i);
      case "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16" -> matrices(i);
      default -> throw Decoder.unknown(i);
    };
  }

  private static void wholeWarp(Warp w, int members) {
    if (w.r[members + Integer.numberOfTrailingZeros(w.alive())] != Warp.ALL) {
      throw w.fault("a member mask that is not the whole warp");
    }
  }

  private Operation index(Instruction i) {
    return shuffle(i, (_, _) -> 0, false);
  }

  /**
   * @param source the lane that a lane reads, from its own number and operand b
   * @param up whether segments bound it from below
   */
  private Operation shuffle(Instruction i, IntBinaryOperator source, boolean up) {
    List<Operand> o = i.operands();
    Operand to = o.get(0) instanceof Operand.Pair(Operand value, _) ? value : o.get(0);
    int p = o.get(0) instanceof Operand.Pair(_, Operand valid) ? decoder.predicate(valid) : -1;
    int d = decoder.word(to, PtxType.B32);
    int a = decoder.word(o.get(1), PtxType.B32);
    int b = decoder.word(o.get(2), PtxType.B32);
    int c = decoder.word(o.get(3), PtxType.B32);
    int members = decoder.word(o.get(4), PtxType.B32);
    boolean byIndex = i.has("idx");
    return (w, m) -> {
      wholeWarp(w, members);
      int valid = 0;
      for (int l = 0; l < LANES; l++) {
        int by = w.r[b + l] & 31;
        int clamp = w.r[c + l] & 31;
        int segment = w.r[c + l] >>> 8 & 31;
        int most = l & segment | clamp & ~segment;
        int from = byIndex ? l & segment | by & ~segment : source.applyAsInt(l, by);
        boolean inside = up ? from >= most : from <= most;
        valid |= inside ? 1 << l : 0;
        int read = inside ? from : l;
        w.t[l] = (m >>> read & 1) != 0 ? w.r[a + read] : POISON;
      }
      w.put(d, m);
      if (p >= 0) {
        w.putPredicate(p, valid, m);
      }
    };
  }

  private Operation ballot(Instruction i) {
    List<Operand> o = i.operands();
    int d = decoder.word(o.get(0), PtxType.B32);
    boolean not = o.get(1) instanceof Operand.Not;
    int p = decoder.predicate(o.get(1) instanceof Operand.Not(Operand of) ? of : o.get(1));
    int members = decoder.word(o.get(2), PtxType.B32);
    return (w, m) -> {
      wholeWarp(w, members);
      int bits = (not ? ~w.p[p] : w.p[p]) & m;
      for (int l = 0; l < LANES; l++) {
        w.t[l] = bits;
      }
      w.put(d, m);
    };
  }

  /** Lane l names row l % 8 of matrix l / 8, and gets of each matrix two rows of one column. */
  private Operation matrices(Instruction i) {
    List<Operand> parts = ((Operand.Vector) i.operands().get(0)).parts();
    int[] d = parts.stream().mapToInt(o -> decoder.word(o, PtxType.B32)).toArray();
    MemoryOps.Address address = MemoryOps.address(decoder, i.operands().get(1));
    return (w, m) -> {
      if (m != Warp.ALL) {
        throw w.fault("not all lanes");
      }
      int[] element = new int[LANES * 8];
      for (int l = 0; l < LANES; l++) {
        Place at = Access.place(w, l, Space.SHARED, Kind.READ, address.of(w, l), 16);
        for (int n = 0; n < 8; n++) {
          int from = at.offset() + 2 * n;
          element[8 * l + n] = at.bytes()[from] & 0xff | (at.bytes()[from + 1] & 0xff) << 8;
        }
      }
      for (int matrix = 0; matrix < d.length; matrix++) {
        for (int l = 0; l < LANES; l++) {
          int row = 8 * matrix + l % 4 * 2;
          int column = l / 4;
          w.r[d[matrix] + l] = element[8 * row + column] | element[8 * (row + 1) + column] << 16;
        }
      }
    };
  }
}
