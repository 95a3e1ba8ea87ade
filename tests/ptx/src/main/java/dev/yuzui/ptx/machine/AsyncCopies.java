package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import dev.yuzui.ptx.machine.Access.Kind;
import dev.yuzui.ptx.machine.Access.Place;
import dev.yuzui.ptx.machine.Access.Space;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

/**
 * cp.async: what is copied arrives as late as it may, at the wait for its group, and until then NaN
 * is there.
 */
final class AsyncCopies {
  private static final List<Integer> SIZES = List.of(4, 8, 16);
  private static final byte POISON = (byte) 0xff;

  /** One lane's copy under way to offset {@code to} of shared memory. */
  record Copy(int lane, int group, int to, byte[] data) {}

  private final Decoder decoder;

  AsyncCopies(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    return switch (i.opcode()) {
      case "cp.async.cg.shared.global", "cp.async.ca.shared.global" -> copy(i);
      case "cp.async.commit_group" -> AsyncCopies::commit;
      case "cp.async.wait_group" ->
          waitFor(Math.toIntExact(((Operand.Immediate) i.operands().getFirst()).bits()));
      default -> throw Decoder.unknown(i);
    };
  }

  private static void commit(Warp w, int mask) {
    for (int m = mask; m != 0; m &= m - 1) {
      w.groups[Integer.numberOfTrailingZeros(m)]++;
    }
  }

  /**
   * The third operand is how many bytes are written, the fourth how many there are to read; the
   * others become zero.
   */
  private Operation copy(Instruction i) {
    MemoryOps.Address to = MemoryOps.address(decoder, i.operands().get(0));
    MemoryOps.Address from = MemoryOps.address(decoder, i.operands().get(1));
    int count =
        i.operands().get(2) instanceof Operand.Immediate(long bits) ? Math.toIntExact(bits) : 0;
    if (!SIZES.contains(count) || i.has("cg") && count != SIZES.getLast()) {
      throw Decoder.unknown(i);
    }
    int size =
        decoder.word(
            i.operands().size() > 3 ? i.operands().get(3) : new Operand.Immediate(count),
            PtxType.U32);
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        int bytes = w.r[size + lane];
        if (bytes != 0 && bytes != count) {
          throw w.fault("lane " + lane + ": a copy of " + bytes + " bytes");
        }
        byte[] data = new byte[count];
        long source = from.of(w, lane);
        if (bytes != 0) {
          Place at = Access.place(w, lane, Space.GLOBAL, Kind.READ, source, count);
          System.arraycopy(at.bytes(), at.offset(), data, 0, count);
        } else if ((source & count - 1) != 0) {
          throw w.fault("lane " + lane + ": misaligned source");
        }
        depart(w, lane, to.of(w, lane), data);
      }
    };
  }

  private static void depart(Warp w, int lane, long address, byte[] data) {
    if ((address & data.length - 1) != 0) {
      throw w.fault("lane %d: misaligned target 0x%x".formatted(lane, address));
    }
    int to = Access.sharedOffset(w, lane, address, data.length);
    w.block.sharedTrace.departs(to, data.length, w, lane);
    Arrays.fill(w.block.shared, to, to + data.length, POISON);
    w.copies.add(new Copy(lane, w.groups[lane], to, data));
  }

  /** All groups but the last {@code pending} that were committed have arrived. */
  private static Operation waitFor(int pending) {
    return (w, mask) -> {
      Iterator<Copy> copies = w.copies.iterator();
      while (copies.hasNext()) {
        Copy c = copies.next();
        if ((mask >>> c.lane() & 1) != 0 && c.group() < w.groups[c.lane()] - pending) {
          System.arraycopy(c.data(), 0, w.block.shared, c.to(), c.data().length);
          w.block.sharedTrace.arrived(c.to(), c.data().length, w, c.lane());
          copies.remove();
        }
      }
    };
  }
}
