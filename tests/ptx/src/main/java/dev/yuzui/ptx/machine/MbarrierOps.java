package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import dev.yuzui.ptx.machine.Access.Kind;
import dev.yuzui.ptx.machine.Access.Place;
import dev.yuzui.ptx.machine.Access.Space;
import java.util.Arrays;

/**
 * mbarrier, and cp.async.bulk, whose bytes one counts. What is copied comes as late as it may: when
 * nobody in the block can go on without it, and until then NaN is there.
 */
final class MbarrierOps {
  private static final byte POISON = (byte) 0xff;
  private static final int BYTES = 8;
  private static final int PIECE = 16;

  /** What an mbarrier can count. */
  private static final int MOST = (1 << 20) - 1;

  /** A copy under way to offset {@code to} of shared memory. */
  record Copy(Mbarrier barrier, int to, byte[] data) {}

  private final Decoder decoder;

  MbarrierOps(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    return switch (i.opcode()) {
      case "mbarrier.init.shared::cta.b64" -> init(i);
      case "mbarrier.arrive.shared::cta.b64" -> arrive(i, new Operand.Immediate(0));
      case "mbarrier.arrive.expect_tx.shared::cta.b64" -> arrive(i, i.operands().get(2));
      case "mbarrier.try_wait.parity.shared::cta.b64" -> tryWait(i);
      case "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes" -> copy(i);
      case "fence.mbarrier_init.release.cluster" ->
          (w, m) -> w.block.asynchrony().showMbarriers(w, m);
      default -> throw Decoder.unknown(i);
    };
  }

  private static int offset(Warp w, int lane, long address) {
    if ((address & BYTES - 1) != 0) {
      throw w.fault("lane %d: misaligned mbarrier 0x%x".formatted(lane, address));
    }
    return Access.sharedOffset(w, lane, address, BYTES);
  }

  private Operation init(Instruction i) {
    MemoryOps.Address address = MemoryOps.address(decoder, i.operands().get(0));
    int count = decoder.word(i.operands().get(1), PtxType.U32);
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        int expected = w.r[count + lane];
        if (expected < 1 || expected > MOST) {
          throw w.fault("an mbarrier for " + expected);
        }
        w.block.asynchrony().make(w, lane, offset(w, lane, address.of(w, lane)), expected);
      }
    };
  }

  private static Mbarrier at(Warp w, int lane, long address) {
    return w.block.asynchrony().mbarrier(w, lane, offset(w, lane, address));
  }

  private Operation arrive(Instruction i, Operand bytes) {
    if (!(i.operands().get(0) instanceof Operand.Sink)) {
      throw Decoder.unknown(i);
    }
    MemoryOps.Address address = MemoryOps.address(decoder, i.operands().get(1));
    int expects = decoder.word(bytes, PtxType.U32);
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        Mbarrier barrier = at(w, lane, address.of(w, lane));
        barrier.expect(w.r[expects + lane]);
        ThreadClocks clocks = w.block.asynchrony().clocks;
        if (!barrier.arrive(clocks.release(w.index * Warp.LANES + lane))) {
          throw w.fault("lane " + lane + ": more arrive than the mbarrier was made for");
        }
        w.block.asynchrony().moved();
      }
    };
  }

  /** A warp of which a lane must wait gives way to the others. */
  private Operation tryWait(Instruction i) {
    int p = decoder.predicate(i.operands().get(0));
    MemoryOps.Address address = MemoryOps.address(decoder, i.operands().get(1));
    int parity = decoder.word(i.operands().get(2), PtxType.U32);
    return (w, mask) -> {
      int ended = 0;
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        Mbarrier barrier = at(w, lane, address.of(w, lane));
        if ((w.r[parity + lane] & ~1) != 0) {
          throw w.fault("lane " + lane + ": a parity of " + w.r[parity + lane]);
        }
        if (barrier.ended(w.r[parity + lane])) {
          int thread = w.index * Warp.LANES + lane;
          barrier.completed().ifPresent(by -> w.block.asynchrony().clocks.acquire(thread, by));
          ended |= 1 << lane;
        }
      }
      w.putPredicate(p, ended, mask);
      if (ended == mask) {
        w.block.asynchrony().moved();
      } else {
        w.giveWay(barrierText(w, mask & ~ended, address));
      }
    };
  }

  private static String barrierText(Warp w, int waiting, MemoryOps.Address address) {
    int lane = Integer.numberOfTrailingZeros(waiting);
    return at(w, lane, address.of(w, lane)).toString();
  }

  private Operation copy(Instruction i) {
    MemoryOps.Address to = MemoryOps.address(decoder, i.operands().get(0));
    MemoryOps.Address from = MemoryOps.address(decoder, i.operands().get(1));
    int size = decoder.word(i.operands().get(2), PtxType.U32);
    MemoryOps.Address counts = MemoryOps.address(decoder, i.operands().get(3));
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        int lane = Integer.numberOfTrailingZeros(m);
        depart(w, lane, to.of(w, lane), from.of(w, lane), w.r[size + lane], counts.of(w, lane));
      }
    };
  }

  private static void depart(Warp w, int lane, long to, long from, int size, long counts) {
    if (size <= 0 || ((to | from | size) & PIECE - 1) != 0) {
      throw w.fault(
          "lane %d: %d bytes from 0x%x to 0x%x, which want to be multiples of 16"
              .formatted(lane, size, from, to));
    }
    byte[] data = new byte[size];
    for (int at = 0; at < size; at += PIECE) {
      Place p = Access.place(w, lane, Space.GLOBAL, Kind.READ, from + at, PIECE);
      System.arraycopy(p.bytes(), p.offset(), data, at, PIECE);
    }
    Mbarrier barrier = at(w, lane, counts);
    if (!barrier.shown) {
      w.hazard(
          Hazard.Kind.NOT_SHOWN, () -> "the mbarrier was made with no fence.mbarrier_init since");
    }
    int offset = Access.sharedOffset(w, lane, to, size);
    w.block.sharedTrace.departs(offset, size, w, lane);
    Arrays.fill(w.block.shared, offset, offset + size, POISON);
    w.block.asynchrony().departs(new Copy(barrier, offset, data));
  }
}
