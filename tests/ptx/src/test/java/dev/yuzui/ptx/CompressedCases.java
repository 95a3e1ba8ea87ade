package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * What DeepSeek-V4's attention needs besides: whole_blocks, stage_*, keep_*, round_heads,
 * append_block_*, look; and route_by_token and clamped_silu_mul of its experts.
 */
final class CompressedCases {
  private static final float EPS = 1e-6f;

  /** Two sequences and padding; the first has more rows than a ring is long. */
  private static final int[] SEQUENCE = {1, 1, 1, 1, 1, 0, 0, -1};

  private static final int[] POSITION = {5, 6, 7, 8, 9, 2, 3, 0};
  private static final int ROWS = SEQUENCE.length;

  /** Of the rings: where they begin, and of the step's rows. */
  private static final int FIRST = 2;

  private static final int STAGED = 20;

  private static final int NONE = 0;
  private static final int E4M3 = 1;
  private static final int E2M1 = 2;

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
      String append = "append_block_" + f.suffix();
      cases.add(new KernelCase(append, "two overlapping", d -> append(d, f, 2, 2, 160, 32, NONE)));
      cases.add(new KernelCase(append, "five apart", d -> append(d, f, 5, 1, 48, 16, NONE)));
      cases.add(new KernelCase(append, "E4M3", d -> append(d, f, 4, 2, 320, 192, E4M3)));
      cases.add(new KernelCase(append, "E2M1", d -> append(d, f, 4, 2, 256, 64, E2M1)));
    }
    cases.add(new KernelCase("round_heads", "E4M3", d -> round(d, 3, 512, 64, E4M3)));
    cases.add(new KernelCase("round_heads", "E4M3, one block", d -> round(d, 2, 70, 6, E4M3)));
    cases.add(new KernelCase("round_heads", "E2M1", d -> round(d, 3, 128, 64, E2M1)));
    cases.add(new KernelCase("round_heads", "E2M1, long", d -> round(d, 2, 512, 0, E2M1)));
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

  // ---- rounding ---------------------------------------------------------------------------------

  private static final double[] FOUR_BITS = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

  private static double nearest(double x, int rounding) {
    double best = 0;
    int codes = rounding == E2M1 ? FOUR_BITS.length : 127;
    for (int code = 0; code < codes; code++) {
      double v = rounding == E2M1 ? FOUR_BITS[code] : WeightFormat.e4m3(code);
      double gain = Math.abs(Math.abs(x) - best) - Math.abs(Math.abs(x) - v);
      best = gain > 0 || gain == 0 && code % 2 == 0 ? v : best;
    }
    return Math.copySign(best, x);
  }

  /** In place; gives how far each number may be off, for a tie may fall either way. */
  private static double[] round(double[] x, int from, int d, int r, int rounding) {
    double[] allowed = new double[d];
    int block = rounding == E4M3 ? 64 : 32;
    int end = rounding == E4M3 ? d - r : d;
    double greatest = rounding == E4M3 ? 448 : 6;
    if (rounding == E2M1) {
      double[] spread = new double[d];
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          spread[i] += (Integer.bitCount(i & j) % 2 == 0 ? 1 : -1) * x[from + j] / Math.sqrt(d);
        }
      }
      System.arraycopy(spread, 0, x, from, d);
    }
    for (int b = 0; b < end && rounding != NONE; b += block) {
      double most = 1e-4;
      for (int i = b; i < b + block; i++) {
        most = Math.max(most, Math.abs(x[from + i]));
      }
      double scale = Math.scalb(1.0, -100);
      while (scale * greatest < most) {
        scale *= 2;
      }
      for (int i = b; i < b + block; i++) {
        double v = x[from + i] / scale;
        double near = 1e-5 * greatest;
        x[from + i] = nearest(v, rounding) * scale;
        allowed[i] = scale * (nearest(v + near, rounding) - nearest(v - near, rounding));
      }
    }
    return allowed;
  }

  private static void round(Device device, int heads, int d, int r, int rounding) {
    float[] given = new Numbers(d).normal(heads * d, 3);
    GlobalMemory memory = device.memory();
    GlobalBuffer x = memory.floats("x", Role.IN_PLACE, given);
    device.run(device.launch("round_heads", heads, 1, 1, 128, 4 * d).p(x).i(d, r, rounding));
    double[] want = new double[given.length];
    for (int i = 0; i < want.length; i++) {
      want[i] = given[i];
    }
    for (int h = 0; h < heads; h++) {
      double[] allowed = round(want, h * d, d, r, rounding);
      for (int i = 0; i < d; i++) {
        Numbers.close("head " + h, i, x.f32(h * d + i), want[h * d + i], allowed[i]);
      }
    }
  }

  // ---- blocks -----------------------------------------------------------------------------------

  private static void append(Device device, Format f, int r, int halves, int d, int rope, int how) {
    int wide = halves * d;
    int length = r * halves;
    Numbers numbers = new Numbers(d);
    KvCache cache = KvCache.random(f, d, 2, 2, 8, numbers.random());
    float[] x = numbers.normal(ROWS * 2 * wide, 1);
    float[] ape = numbers.normal(r * wide, 1);
    float[] norm = numbers.normal(d, 1);
    float[] table = numbers.normal(16 * rope, 1);
    float[] state = numbers.normal((FIRST + 2 * length) * 2 * wide, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer entries = cache.entries(device, Role.IN_PLACE);
    device.run(
        device
            .launch("append_block_" + f.suffix(), ROWS, 1, 1, 128, 4 * d)
            .p(memory.floats("x", Role.INPUT, x))
            .p(memory.floats("ape", Role.CONSTANT, ape))
            .p(memory.floats("norm", Role.CONSTANT, norm))
            .f(EPS)
            .p(memory.floats("table", Role.CONSTANT, table))
            .i(how)
            .p(memory.floats("state", Role.INPUT, state))
            .l(FIRST)
            .i(length)
            .p(entries)
            .i(cache.pageTokens(), r, wide, d, rope)
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(cache.pages(device))
            .i(cache.pagesPerSequence()));
    byte[] after = entries.content();
    for (int t = 0; t < ROWS && SEQUENCE[t] >= 0; t++) {
      int p = POSITION[t];
      if ((p + 1) % r != 0) {
        continue;
      }
      double[] want = new double[d];
      double squares = 0;
      for (int c = 0; c < d; c++) {
        double total = 0;
        double sum = 0;
        for (int at = Math.max(0, p + 1 - length); at <= p; at++) {
          int back = p - at;
          boolean here = back <= t && SEQUENCE[t - back] == SEQUENCE[t];
          float[] rows = here ? x : state;
          int row = here ? t - back : FIRST + SEQUENCE[t] * length + at % length;
          int channel = back < r ? wide - d + c : c;
          double g = (double) rows[row * 2 * wide + wide + channel] + ape[at % r * wide + channel];
          total += Math.exp(g);
          sum += Math.exp(g) * rows[row * 2 * wide + channel];
        }
        want[c] = sum / total;
        squares += want[c] * want[c];
      }
      for (int c = 0; c < d; c++) {
        want[c] *= norm[c] / Math.sqrt(squares / d + EPS);
      }
      for (int i = 0; i < rope; i += 2) {
        double a = want[d - rope + i];
        double b = want[d - rope + i + 1];
        double cos = table[(p + 1 - r) * rope + i];
        double sin = table[(p + 1 - r) * rope + i + 1];
        want[d - rope + i] = a * cos - b * sin;
        want[d - rope + i + 1] = a * sin + b * cos;
      }
      double[] allowed = round(want, 0, d, rope, how);
      int at = cache.row(SEQUENCE[t], p / r) * d;
      for (int c = 0; c < d; c++) {
        double off = allowed[c] + CacheCases.rounding(f, want[c]) + 2e-5;
        Numbers.close("block of row " + t, c, f.read(after, at + c), want[c], off);
      }
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
