package dev.yuzui.ptx.machine;

/** Who touched each byte of a block's shared memory, and what orders them. */
interface SharedTrace {

  void clear();

  void access(Access.Kind kind, int from, int bytes, Warp w, int lane);

  /** A copy sets out; nobody may touch its target until it has arrived. */
  void departs(int from, int bytes, Warp w, int lane);

  /** A lane's cp.async has arrived, and is as good as a store of that lane. */
  void arrived(int from, int bytes, Warp w, int lane);

  /** Where bar.sync and bar.warp.sync are all that orders. */
  static SharedTrace byBarriers(int bytes) {
    // what was not written is NaN there, and a sum that nobody takes may well be of it
    Shadow shadow = new Shadow(bytes, false);
    return new SharedTrace() {
      @Override
      public void clear() {
        shadow.clear();
      }

      @Override
      public void access(Access.Kind kind, int from, int count, Warp w, int lane) {
        shadow.access(kind, from, count, w.block.stamp(w, lane), w);
      }

      @Override
      public void departs(int from, int count, Warp w, int lane) {
        shadow.departs(from, count, w.block.stamp(w, lane), w);
      }

      @Override
      public void arrived(int from, int count, Warp w, int lane) {
        shadow.arrived(from, count, w.block.stamp(w, lane));
      }
    };
  }
}
