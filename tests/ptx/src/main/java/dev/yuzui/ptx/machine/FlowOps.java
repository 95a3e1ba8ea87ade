package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;

/** Ends, traps, fences and the wait for the kernel before. */
final class FlowOps {
  private FlowOps() {}

  static Operation end() {
    return (w, m) -> {
      if ((m & ~w.waited) != 0) {
        w.hazard(Hazard.Kind.END_BEFORE_WAIT, () -> "block " + w.block.name());
      }
    };
  }

  static Operation trap() {
    return (w, _) -> {
      throw w.fault("trap");
    };
  }

  static Operation waits() {
    return (w, m) -> w.waited |= m;
  }

  static Operation proxyFence(Instruction i) {
    if (!i.opcode().equals("fence.proxy.async.shared::cta")) {
      throw Decoder.unknown(i);
    }
    return (w, mask) -> {
      for (int m = mask; m != 0; m &= m - 1) {
        w.block.asynchrony().clocks.show(w.index * Warp.LANES + Integer.numberOfTrailingZeros(m));
      }
    };
  }

  static Operation fence() {
    return (w, m) -> w.block.fence(w, m);
  }
}
