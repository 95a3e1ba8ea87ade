package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * What DeepSeek-V4's attention needs besides: whole_blocks, stage_*, keep_*, look; and
 * route_by_token and clamped_silu_mul of its experts.
 */
final class CompressedCases {
  /** Two sequences and padding; the first has more rows than a ring is long. */
  static final int[] SEQUENCE = {1, 1, 1, 1, 1, 0, 0, -1};

  static final int[] POSITION = {5, 6, 7, 8, 9, 2, 3, 0};
  static final int ROWS = SEQUENCE.length;

  /** Of the rings: where they begin, and of the step's rows. */
  static final int FIRST = 2;

  private static final int STAGED = 20;

  private CompressedCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    cases.add(new KernelCase("whole_blocks", "of four", CompressedCases::wholeBlocks));
    for (Format f : Format.values()) {
      for (int width : new int[] {64, 516, 37, 301}) {
        cases.add(new KernelCase("stage_" + f.suffix(), "" + width, d -> stage(d, f, width)));
        cases.add(new KernelCase("keep_" + f.suffix(), "" + width, d -> keep(d, f, width, 3)));
      }
      cases.add(new KernelCase("keep_" + f.suffix(), "long rings", d -> keep(d, f, 32, 8)));
    }
    cases.add(new KernelCase("look", "the window alone", d -> look(d, 3, false, false)));
    cases.add(new KernelCase("look", "all blocks", d -> look(d, 7, true, false)));
    cases.add(new KernelCase("look", "chosen blocks", d -> look(d, 3, false, true)));
    for (int scoring = 0; scoring < 3; scoring++) {
      int s = scoring;
      cases.add(new KernelCase("route_by_token", "scoring " + s, d -> route(d, s, 100, 6, s > 0)));
      cases.add(new KernelCase("route_by_token", "many, " + s, d -> route(d, s, 384, 40, s < 2)));
    }
    cases.add(new KernelCase("clamped_silu_mul", "a rest", CompressedCases::silu));
    return cases;
  }

  private static void wholeBlocks(Device device) {
    int n = 300;
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * n);
    device.run(
        device
            .launch("whole_blocks", 2, 1, 1, 256, 0)
            .p(memory.ints("length", Role.INPUT, Numbers.ints(n, i -> 3 * i)))
            .i(4)
            .p(out)
            .i(n));
    for (int i = 0; i < n; i++) {
      assertEquals(3 * i / 4, out.i32(i));
    }
  }

  // ---- rings ------------------------------------------------------------------------------------

  private static void stage(Device device, Format f, int width) {
    float[] x = new Numbers(width).normal(ROWS * width, 1);
    GlobalMemory memory = device.memory();
    byte[] before = new byte[(STAGED + ROWS) * width * f.bytes()];
    GlobalBuffer rows = memory.put("rows", Role.IN_PLACE, before);
    device.run(
        device
            .launch("stage_" + f.suffix(), ROWS, 1, 1, 128, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .i(width)
            .p(rows)
            .l(STAGED));
    byte[] after = rows.content();
    for (int i = 0; i < (STAGED + ROWS) * width; i++) {
      double want = i < STAGED * width ? 0 : x[i - STAGED * width];
      Numbers.close("rows", i, f.read(after, i), want, CacheCases.rounding(f, want));
    }
  }

  private static void keep(Device device, Format f, int width, int length) {
    float[] x = new Numbers(width).normal(ROWS * width, 1);
    GlobalMemory memory = device.memory();
    int count = FIRST + 2 * length;
    GlobalBuffer rows = memory.put("rows", Role.IN_PLACE, new byte[count * width * f.bytes()]);
    device.run(
        device
            .launch("keep_" + f.suffix(), ROWS, 1, 1, 128, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .i(width)
            .p(rows)
            .l(FIRST)
            .i(length)
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .i(ROWS));
    float[] want = new float[count * width];
    for (int t = 0; t < ROWS && SEQUENCE[t] >= 0; t++) {
      int row = FIRST + SEQUENCE[t] * length + POSITION[t] % length;
      System.arraycopy(x, t * width, want, row * width, width);
    }
    byte[] after = rows.content();
    for (int i = 0; i < want.length; i++) {
      Numbers.close("rows", i, f.read(after, i), want[i], CacheCases.rounding(f, want[i]));
    }
  }

  // ---- what a row looks at ----------------------------------------------------------------------

  private static void look(Device device, int window, boolean all, boolean some) {
    int length = 8;
    int most = 300;
    int mostChosen = 280;
    KvCache cache = KvCache.random(Format.F32, 1, 4, 2, 290, new Numbers(1).random());
    int[] seen = Numbers.ints(ROWS, t -> 35 * t);
    int[] chosen = Numbers.ints(ROWS * mostChosen, i -> 3 * i);
    GlobalMemory memory = device.memory();
    GlobalBuffer rows = memory.output("rows", 4L * ROWS * most);
    GlobalBuffer sequences = memory.output("sequences", 4L * ROWS);
    GlobalBuffer counts = memory.output("counts", 4L * ROWS);
    var launch =
        device
            .launch("look", ROWS, Math.ceilDiv(most, 256), 1, 256, 0)
            .l(FIRST)
            .i(length)
            .l(STAGED)
            .i(window);
    if (all) {
      launch.p(memory.ints("seen", Role.INPUT, seen));
    } else {
      launch.none();
    }
    launch.i(cache.pageTokens());
    if (some) {
      launch.p(memory.ints("chosen", Role.INPUT, chosen)).p(memory.ints("many", Role.INPUT, seen));
    } else {
      launch.none().none();
    }
    device.run(
        launch
            .i(mostChosen)
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(cache.pages(device))
            .i(cache.pagesPerSequence())
            .p(rows)
            .i(most)
            .p(sequences)
            .p(counts));
    for (int t = 0; t < ROWS; t++) {
      int s = SEQUENCE[t];
      List<Integer> want = new ArrayList<>();
      for (int p = Math.max(0, POSITION[t] - window + 1); s >= 0 && p <= POSITION[t]; p++) {
        int back = POSITION[t] - p;
        boolean here = back <= t && SEQUENCE[t - back] == s;
        want.add(here ? STAGED + t - back : FIRST + s * length + p % length);
      }
      for (int i = 0; s >= 0 && (all || some) && i < seen[t]; i++) {
        want.add(some ? chosen[t * mostChosen + i] : cache.row(s, i));
      }
      assertEquals(want.size(), counts.i32(t), "count of row " + t);
      assertEquals(s < 0 ? -1 : t, sequences.i32(t), "sequence of row " + t);
      for (int i = 0; i < most; i++) {
        assertEquals(
            i < want.size() ? want.get(i) : -1, rows.i32(t * most + i), "row " + t + ", " + i);
      }
    }
  }

  // ---- experts ----------------------------------------------------------------------------------

  private static void route(Device device, int scoring, int experts, int used, boolean normalise) {
    int[] token = Numbers.ints(ROWS, t -> t * 3 % 5);
    int[] table = Numbers.ints(5 * used, i -> i * 7 % experts);
    float[] logits = new Numbers(experts).normal(ROWS * experts, 2);
    GlobalMemory memory = device.memory();
    GlobalBuffer ids = memory.output("ids", 4L * ROWS * used);
    GlobalBuffer weights = memory.output("weights", 4L * ROWS * used);
    device.run(
        device
            .launch("route_by_token", ROWS, 1, 1, 32, 0)
            .p(memory.floats("logits", Role.INPUT, logits))
            .p(memory.ints("table", Role.CONSTANT, table))
            .p(memory.ints("token", Role.INPUT, token))
            .i(experts, used, scoring, normalise ? 1 : 0)
            .f(1.5f)
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(ids)
            .p(weights));
    for (int t = 0; t < ROWS; t++) {
      double whole = 0;
      for (int e = 0; e < experts; e++) {
        whole += Math.exp(logits[t * experts + e]);
      }
      double[] scores = new double[used];
      double sum = 0;
      for (int k = 0; k < used; k++) {
        double z = logits[t * experts + table[token[t] * used + k]];
        scores[k] =
            scoring == 0
                ? Math.exp(z) / whole
                : scoring == 1 ? 1 / (1 + Math.exp(-z)) : Math.sqrt(Math.log1p(Math.exp(z)));
        sum += scores[k];
      }
      for (int k = 0; k < used; k++) {
        int at = t * used + k;
        boolean padding = SEQUENCE[t] < 0;
        double want = padding ? 0 : scores[k] * 1.5 / (normalise ? sum : 1);
        assertEquals(padding ? -1 : table[token[t] * used + k], ids.i32(at), "ids of row " + t);
        Numbers.close("weights of row " + t, k, weights.f32(at), want, 1e-5);
      }
    }
  }

  private static void silu(Device device) {
    int n = 1300;
    float limit = 1.5f;
    Numbers numbers = new Numbers(n);
    float[] gate = numbers.normal(n, 2);
    float[] up = numbers.normal(n, 2);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * n);
    device.run(
        device
            .launch("clamped_silu_mul", 1, 1, 1, 256, 0)
            .p(memory.floats("gate", Role.INPUT, gate))
            .p(memory.floats("up", Role.INPUT, up))
            .f(limit)
            .p(out)
            .l(n));
    Numbers.assertClose(
        out,
        n,
        i -> Numbers.silu(Math.min(gate[i], limit)) * Math.clamp(up[i], -limit, limit),
        _ -> 1e-5);
  }
}
