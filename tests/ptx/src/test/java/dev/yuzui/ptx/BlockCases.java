package dev.yuzui.ptx;

import static dev.yuzui.ptx.CompressedCases.FIRST;
import static dev.yuzui.ptx.CompressedCases.POSITION;
import static dev.yuzui.ptx.CompressedCases.ROWS;
import static dev.yuzui.ptx.CompressedCases.SEQUENCE;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.List;

/** Blocks that tokens are pooled into, and their rounding: append_block_*, round_heads. */
final class BlockCases {
  private static final float EPS = 1e-6f;

  private static final int NONE = 0;
  private static final int E4M3 = 1;
  private static final int E2M1 = 2;

  private BlockCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (Format f : Format.values()) {
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
    return cases;
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
}
