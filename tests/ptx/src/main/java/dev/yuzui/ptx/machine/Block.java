package dev.yuzui.ptx.machine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** A block: its warps, its shared memory, what its threads know of other blocks. */
final class Block {
  private static final byte POISON = (byte) 0xff;

  private final Launch launch;
  private final List<Warp> warps = new ArrayList<>();
  final byte[] shared;
  final byte[] local;
  final SharedTrace sharedTrace;
  private final Optional<Asynchrony> asynchrony;
  private final int[][] acquired;
  private final int[][] pending;
  private final int[][] fenced;
  private final int[] nothing;
  private boolean knows;
  private int x;
  private int y;
  private int z;
  private int number;

  Block(Launch launch, int words, int longs, int predicates) {
    this.launch = launch;
    int threads = launch.threads();
    for (int i = 0; i < Math.ceilDiv(threads, Warp.LANES); i++) {
      warps.add(new Warp(launch.program(), this, i, words, longs, predicates));
    }
    SharedLayout layout = launch.program().layout;
    shared = new byte[layout.sharedBytes(launch.sharedBytes())];
    local = new byte[threads * layout.localBytes()];
    asynchrony =
        launch.program().asynchronous
            ? Optional.of(new Asynchrony(this, threads, shared.length))
            : Optional.empty();
    sharedTrace =
        asynchrony.<SharedTrace>map(a -> a.trace).orElse(SharedTrace.byBarriers(shared.length));
    nothing = launch.clock().nothing();
    acquired = new int[threads][];
    pending = new int[threads][];
    fenced = new int[threads][];
  }

  Launch launch() {
    return launch;
  }

  String name() {
    return x + "," + y + "," + z;
  }

  long value(Program.Constant constant, int thread) {
    return switch (constant) {
      case Program.Constant.Value(long bits) -> bits;
      case Program.Constant.Parameter(int index) -> launch.parameter(index);
      case Program.Constant.Special(String special) ->
          switch (special) {
            case "%tid.x" -> thread;
            case "%tid.y", "%tid.z" -> 0;
            case "%ntid.x" -> launch.threads();
            case "%ntid.y", "%ntid.z" -> 1;
            case "%ctaid.x" -> x;
            case "%ctaid.y" -> y;
            case "%ctaid.z" -> z;
            case "%nctaid.x" -> launch.gridX();
            case "%nctaid.y" -> launch.gridY();
            case "%nctaid.z" -> launch.gridZ();
            case "%laneid" -> thread % Warp.LANES;
            default -> throw new IllegalArgumentException("PTX: register " + special);
          };
    };
  }

  /**
   * @param upwards the order in which warps have their turns
   */
  void run(int blockX, int blockY, int blockZ, int blockNumber, boolean upwards) {
    x = blockX;
    y = blockY;
    z = blockZ;
    number = blockNumber;
    Arrays.fill(shared, POISON);
    Arrays.fill(local, POISON);
    asynchrony.ifPresent(Asynchrony::clear);
    sharedTrace.clear();
    Arrays.fill(acquired, nothing);
    Arrays.fill(pending, nothing);
    Arrays.fill(fenced, nothing);
    knows = false;
    for (Warp w : warps) {
      w.start(Math.min(Warp.LANES, launch.threads() - w.index * Warp.LANES));
    }
    List<Warp> turns = upwards ? warps : warps.reversed();
    while (turns.stream().anyMatch(w -> !w.done())) {
      int moves = moves();
      for (Warp w : turns) {
        if (!w.done()) {
          w.run();
        }
      }
      Optional<Warp> waits = turns.stream().filter(w -> !w.done() && w.gaveWay()).findFirst();
      if (waits.isEmpty() && turns.stream().anyMatch(w -> !w.done())) {
        open();
      } else if (waits.isPresent() && moves() == moves) {
        goOn(waits.get(), upwards);
      }
    }
    for (Warp w : warps) {
      if (!w.copies.isEmpty()) {
        w.hazard(Hazard.Kind.COPY_IN_FLIGHT, () -> "the block ends before its copies do");
      }
    }
    asynchrony.ifPresent(this::end);
  }

  private int moves() {
    return asynchrony.map(Asynchrony::moves).orElse(0);
  }

  /** All wait, at an mbarrier or for others: a copy that is under way can help. */
  private void goOn(Warp waits, boolean upwards) {
    if (!asynchrony().anyUnderWay()) {
      throw waits.fault("nobody ends the phase that it waits for: " + waits.why());
    }
    asynchrony().land(upwards);
  }

  private void end(Asynchrony a) {
    Warp first = warps.getFirst();
    if (a.anyUnderWay()) {
      first.hazard(Hazard.Kind.COPY_IN_FLIGHT, () -> "the block ends before its copies do");
    }
    Wgmmas.end(warps);
  }

  /**
   * @throws IllegalStateException if the kernel uses nothing that wants it
   */
  Asynchrony asynchrony() {
    return asynchrony.orElseThrow(() -> new IllegalStateException("no mbarriers, no wgmmas"));
  }

  /** Lanes of {@code w} meet at a bar.warp.sync. */
  void meet(Warp w, int mask) {
    asynchrony.ifPresent(a -> a.clocks.meet(threads(w, mask)));
  }

  private static List<Integer> threads(Warp w, int mask) {
    List<Integer> threads = new ArrayList<>();
    for (int m = mask; m != 0; m &= m - 1) {
      threads.add(w.index * Warp.LANES + Integer.numberOfTrailingZeros(m));
    }
    return threads;
  }

  /** All warps that are left wait: the barrier opens, and threads know what any of them knew. */
  private void open() {
    for (Warp w : warps) {
      if (!w.done()) {
        w.passBarrier();
      }
    }
    asynchrony.ifPresent(
        a ->
            a.clocks.meet(
                warps.stream()
                    .filter(w -> !w.done())
                    .flatMap(w -> threads(w, w.alive()).stream())
                    .toList()));
    if (!knows) {
      return;
    }
    int[] all = nothing;
    for (int[] one : acquired) {
      all = Clock.joined(all, one);
    }
    Arrays.fill(acquired, all);
  }

  long stamp(Warp w, int lane) {
    return Shadow.stamp(number, w.barriers, w.warpBarriers, w.index * Warp.LANES + lane);
  }

  /** The barriers of {@code other} before which all it did is known to {@code thread}. */
  int acquired(int thread, int other) {
    return acquired[thread][other];
  }

  void fence(Warp w, int mask) {
    for (int m = mask; m != 0; m &= m - 1) {
      int thread = w.index * Warp.LANES + Integer.numberOfTrailingZeros(m);
      acquired[thread] = Clock.joined(acquired[thread], pending[thread]);
      fenced[thread] = acquired[thread].clone();
      fenced[thread][number] = w.barriers;
      knows = true;
    }
  }

  void atomic(int thread, long address) {
    int[] found = launch.clock().exchange(address, fenced[thread]);
    pending[thread] = Clock.joined(pending[thread], found);
  }
}
