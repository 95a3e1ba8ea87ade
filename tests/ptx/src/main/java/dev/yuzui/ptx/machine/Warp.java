package dev.yuzui.ptx.machine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** 32 lanes: registers, program counters, copies under way. */
final class Warp {
  static final int LANES = 32;
  static final int ALL = -1;

  /** As a float NaN, as an address nobody's. */
  private static final int POISON = 0xffffbad1;

  /** Instructions of a warp, many times what any case takes: more is a loop that does not end. */
  private static final int MOST = 20_000_000;

  private static final long LONG_POISON = 0xffffbad1ffffbad1L;

  final Program program;
  final Block block;
  final int index;

  /** Register n of lane l is at 32n + l. */
  final int[] r;

  final long[] q;

  /** A bit a lane. */
  final int[] p;

  /** Where results lie before the active lanes take them. */
  final int[] t = new int[LANES];

  final long[] u = new long[LANES];

  /** Of the instruction that runs, for messages. */
  int pc;

  int barriers;
  int warpBarriers;

  /** Lanes past {@code griddepcontrol.wait}. */
  int waited;

  final int[] groups = new int[LANES];
  final List<AsyncCopies.Copy> copies = new ArrayList<>();

  final Wgmmas wgmmas = new Wgmmas(this);

  private final int[] pcs = new int[LANES];
  private int alive;
  private int held;
  private int atBarrier;
  private int steps;
  private Optional<String> gaveWay = Optional.empty();

  Warp(Program program, Block block, int index, int words, int longs, int predicates) {
    this.program = program;
    this.block = block;
    this.index = index;
    r = new int[LANES * words];
    q = new long[LANES * longs];
    p = new int[predicates];
  }

  /** At the first instruction of a block; {@code lanes} of it have threads. */
  void start(int lanes) {
    alive = lanes == LANES ? ALL : (1 << lanes) - 1;
    held = 0;
    atBarrier = 0;
    steps = 0;
    barriers = 0;
    warpBarriers = 0;
    waited = block.launch().dependent() ? 0 : ALL;
    pc = 0;
    copies.clear();
    wgmmas.clear();
    gaveWay = Optional.empty();
    Arrays.fill(pcs, 0);
    Arrays.fill(groups, 0);
    int words = r.length / LANES - program.words.size();
    int longs = q.length / LANES - program.longs.size();
    Arrays.fill(r, 0, words * LANES, POISON);
    Arrays.fill(q, 0, longs * LANES, LONG_POISON);
    // odd lanes true: neither way of a branch on it is taken by all
    Arrays.fill(p, 0xaaaaaaaa);
    for (int i = 0; i < program.words.size(); i++) {
      for (int lane = 0; lane < LANES; lane++) {
        r[(words + i) * LANES + lane] =
            (int) block.value(program.words.get(i), index * LANES + lane);
      }
    }
    for (int i = 0; i < program.longs.size(); i++) {
      for (int lane = 0; lane < LANES; lane++) {
        q[(longs + i) * LANES + lane] = block.value(program.longs.get(i), index * LANES + lane);
      }
    }
  }

  int alive() {
    return alive;
  }

  boolean done() {
    return alive == 0;
  }

  /** Ends its turn: {@code why} says what it waits for. */
  void giveWay(String why) {
    gaveWay = Optional.of(why);
  }

  boolean gaveWay() {
    return gaveWay.isPresent();
  }

  String why() {
    return gaveWay.orElse("nothing");
  }

  void passBarrier() {
    for (int m = atBarrier; m != 0; m &= m - 1) {
      pcs[Integer.numberOfTrailingZeros(m)]++;
    }
    atBarrier = 0;
    barriers++;
  }

  /** Takes {@code t} into register words from {@code to} on. */
  void put(int to, int mask) {
    if (mask == ALL) {
      System.arraycopy(t, 0, r, to, LANES);
      return;
    }
    for (int m = mask; m != 0; m &= m - 1) {
      int lane = Integer.numberOfTrailingZeros(m);
      r[to + lane] = t[lane];
    }
  }

  void putLongs(int to, int mask) {
    if (mask == ALL) {
      System.arraycopy(u, 0, q, to, LANES);
      return;
    }
    for (int m = mask; m != 0; m &= m - 1) {
      int lane = Integer.numberOfTrailingZeros(m);
      q[to + lane] = u[lane];
    }
  }

  void putPredicate(int to, int bits, int mask) {
    p[to] = p[to] & ~mask | bits & mask;
  }

  /** Lanes that are where {@code lane} is, of those in {@code among}. */
  private int together(int at, int among) {
    int mask = 0;
    for (int m = among; m != 0; m &= m - 1) {
      int lane = Integer.numberOfTrailingZeros(m);
      if (pcs[lane] == at) {
        mask |= 1 << lane;
      }
    }
    return mask;
  }

  private int least(int among, int above) {
    int least = Integer.MAX_VALUE;
    for (int m = among; m != 0; m &= m - 1) {
      int at = pcs[Integer.numberOfTrailingZeros(m)];
      if (at > above && at < least) {
        least = at;
      }
    }
    return least;
  }

  private void move(int lanes, int to) {
    for (int m = lanes; m != 0; m &= m - 1) {
      pcs[Integer.numberOfTrailingZeros(m)] = to;
    }
  }

  /** Runs until every lane has ended, waits at a barrier of the block, or gives way. */
  void run() {
    gaveWay = Optional.empty();
    while (gaveWay.isEmpty()) {
      int runnable = alive & ~held & ~atBarrier;
      if (runnable == 0) {
        if (held != 0) {
          pc = pcs[Integer.numberOfTrailingZeros(held)];
          if (together(pc, held) != alive) {
            throw fault("some lanes of the warp never come to it");
          }
          // those that were waited for have ended, and are waited for no more
          held = 0;
          continue;
        }
        if (together(least(alive, -1), alive) != alive) {
          pc = least(alive, -1);
          throw fault("only a part of the warp comes to the barrier");
        }
        return;
      }
      int at = least(runnable, -1);
      step(at, together(at, runnable), least(runnable, at));
    }
  }

  /** Runs lanes that are together until they part, meet others, wait or end. */
  private void step(int from, int lanes, int meeting) {
    int at = from;
    int mask = lanes;
    while (at < meeting) {
      pc = at;
      if (++steps > MOST) {
        throw fault("the warp runs on and on");
      }
      program.ran(at);
      int guard = program.guards[at];
      int active = guard < 0 ? mask : mask & (p[guard >> 1] ^ -(guard & 1));
      if (program.asynchronous && active != 0) {
        wgmmas.touches(program.touched[at]);
      }
      switch (program.flows[at]) {
        case NEXT -> {
          if (active != 0) {
            program.operations[at].run(this, active);
          }
          at++;
          if (gaveWay.isPresent()) {
            move(mask, at);
            return;
          }
        }
        case BRANCH -> {
          int target = program.targets[at];
          if (active == mask) {
            at = target;
          } else if (active == 0) {
            at++;
          } else {
            move(active, target);
            move(mask & ~active, at + 1);
            return;
          }
        }
        case EXIT -> {
          program.operations[at].run(this, active);
          alive &= ~active;
          mask &= ~active;
          at++;
          if (mask == 0) {
            return;
          }
        }
        case BARRIER -> {
          move(mask, at);
          atBarrier |= mask;
          return;
        }
        case COLLECTIVE -> {
          int all = mask | together(at, held);
          if (active != mask || (all & alive) != alive) {
            move(mask, at);
            held |= mask;
            return;
          }
          held &= ~all;
          mask = all;
          program.operations[at].run(this, all);
          at++;
        }
      }
    }
    move(mask, at);
  }

  PtxFault fault(String why) {
    return new PtxFault(
        "%s, block %s, warp %d: %s: %s"
            .formatted(
                program.code().name(),
                block.name(),
                index,
                program.code().instructions().get(pc).text(),
                why));
  }

  void hazard(Hazard.Kind kind, int at, String why, long stamp) {
    hazard(
        kind,
        () ->
            "block %s, thread %d, byte %d: %s"
                .formatted(block.name(), stamp & (1 << Shadow.THREAD_BITS) - 1, at, why));
  }

  void hazard(Hazard.Kind kind, Supplier<String> detail) {
    block.launch().hazards().add(kind, this, detail);
  }
}
