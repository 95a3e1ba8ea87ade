package dev.yuzui.ptx.machine;

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

  static Operation fence() {
    return (w, m) -> w.block.fence(w, m);
  }
}
