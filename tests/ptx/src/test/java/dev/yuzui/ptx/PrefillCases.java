package dev.yuzui.ptx;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Expanded attention: prefill_rows, gather_latent_*, mla_flash* and mla_merge. */
final class PrefillCases {
  private PrefillCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    cases.add(new KernelCase("prefill_rows", "40 rows", d -> rows(d, 40, 12)));
    cases.add(new KernelCase("prefill_rows", "more rows than threads", d -> rows(d, 6300, 400)));
    for (Format f : Format.values()) {
      cases.add(
          new KernelCase("gather_latent_" + f.suffix(), "odd sizes", d -> gather(d, f, 44, 6)));
    }
    for (Format f : Format.values()) {
      cases.add(
          new KernelCase("gather_latent_" + f.suffix(), "long", d -> gather(d, f, 1404, 1302)));
    }
    cases.add(
        new KernelCase("mla_flash", "two sequences", d -> flash(d, "mla_flash", 128, 64, 128, 64)));
    cases.add(
        new KernelCase(
            "mla_flash_small", "48/16/32", d -> flash(d, "mla_flash_small", 48, 16, 32, 64)));
    cases.add(
        new KernelCase(
            "mla_flash_small", "128/64/128", d -> flash(d, "mla_flash_small", 128, 64, 128, 64)));
    cases.add(
        new KernelCase(
            "mla_flash_large", "192/64/256", d -> flash(d, "mla_flash_large", 192, 64, 256, 32)));
    cases.add(new KernelCase("mla_merge", "rows without history", PrefillCases::merge));
    return cases;
  }

  /**
   * Sequences of {@code each} rows, the first continuing after five entries, the second with a gap
   * in the middle, padding last.
   */
  private static void rows(Device device, int count, int each) {
    int[] sequence = Numbers.ints(count, t -> t >= count - 3 ? -1 : t / each);
    int[] position =
        Numbers.ints(
            count,
            t -> {
              int i = t % each;
              return t / each == 0 ? 5 + i : t / each == 1 && i >= each / 2 ? i + 3 : i;
            });
    int[] length = Numbers.ints(count, t -> sequence[t] < 0 ? 0 : position[t] + 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer first = memory.output("first", 4L * count);
    GlobalBuffer own = memory.output("own", 4L * count);
    GlobalBuffer history = memory.output("history", 4L * count);
    GlobalBuffer any = memory.output("anyHistory", 4);
    device.run(
        device
            .launch("prefill_rows", 1, 1, 1, 1024, 0)
            .p(memory.ints("position", Role.INPUT, position))
            .p(memory.ints("sequence", Role.INPUT, sequence))
            .p(memory.ints("kvLength", Role.INPUT, length))
            .i(count)
            .p(first)
            .p(own)
            .p(history)
            .p(any));
    for (int t = 0; t < count; t++) {
      int start = t;
      while (start > 0 && sequence[start - 1] == sequence[t]) {
        start--;
      }
      int seen = sequence[t] < 0 ? 0 : Math.max(0, length[t] - position[start]);
      // the rows start .. start + seen − 1 must hold one entry after another
      boolean whole = start + seen <= count;
      for (int i = start + 1; whole && i < start + seen; i++) {
        whole = sequence[i] == sequence[t] && position[i] == position[i - 1] + 1;
      }
      int mine = whole ? seen : 0;
      Numbers.close("first", t, first.i32(t), start, 0);
      Numbers.close("own", t, own.i32(t), mine, 0);
      Numbers.close("history", t, history.i32(t), Math.max(0, length[t]) - mine, 0);
    }
    Numbers.close("anyHistory", 0, any.i32(0), 1, 0);
  }

  private static void gather(Device device, Format f, int lkv, int r) {
    int padded = Math.ceilDiv(lkv, 32) * 32;
    int[] sequence = {1, -1, 0};
    int[] position = {17, 3, 0};
    KvCache cache = KvCache.random(f, lkv + r, 4, 2, 20, new Numbers(41).random());
    GlobalMemory memory = device.memory();
    GlobalBuffer xh = memory.output("xh", 2L * sequence.length * padded);
    GlobalBuffer scale = memory.output("xScale", 4L * sequence.length);
    GlobalBuffer keys = memory.output("keys", 2L * sequence.length * r);
    device.run(
        device
            .launch("gather_latent_" + f.suffix(), sequence.length, 1, 1, 256, 0)
            .p(cache.entries(device, Role.INPUT))
            .i(cache.pageTokens())
            .p(cache.pages(device))
            .i(cache.pagesPerSequence())
            .p(memory.ints("position", Role.INPUT, position))
            .p(memory.ints("sequence", Role.INPUT, sequence))
            .i(lkv, r)
            .p(xh)
            .p(scale)
            .p(keys));
    for (int t = 0; t < sequence.length; t++) {
      for (int i = 0; i < padded; i++) {
        int in = i % 32;
        int at = t * padded + i / 32 * 32 + in / 4 % 4 * 8 + in / 16 * 4 + in % 4;
        double want = sequence[t] < 0 || i >= lkv ? 0 : cache.at(sequence[t], position[t], i);
        Numbers.close("row " + t, i, xh.f16(at) * scale.f32(t), want, 8 * 0x1p-11);
      }
      for (int i = 0; i < r; i++) {
        double want = sequence[t] < 0 ? 0 : cache.at(sequence[t], position[t], lkv + i);
        Numbers.close("key " + t, i, keys.f16(t * r + i), want, 4 * 0x1p-11);
      }
    }
  }

  /** Numbers that F16 holds, as bytes. */
  private static byte[] halves(float[] values) {
    ByteBuffer b = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < values.length; i++) {
      short h = Float.floatToFloat16(values[i]);
      b.putShort(h);
      values[i] = Float.float16ToFloat(h);
    }
    return b.array();
  }

  /**
   * @param tile keys of a tile
   */
  private static void flash(Device device, String kernel, int p, int r, int v, int tile) {
    int rows = 140;
    int heads = 2;
    int split = 90; // where the second sequence begins
    int[] first = Numbers.ints(rows, t -> t < split ? 0 : split);
    int[] own =
        Numbers.ints(rows, t -> t == 7 || t == rows - 1 ? 0 : t < split ? t + 1 : t + 1 - split);
    Numbers numbers = new Numbers(p + v);
    float[] q = numbers.normal(rows * heads * (p + r), 1);
    float[] k = numbers.normal(rows * heads * p, 1);
    float[] keys = numbers.normal(rows * r, 1);
    float[] values = numbers.normal(rows * heads * v, 1);
    float scale = 1 / (float) Math.sqrt(p + r);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows * heads * v);
    GlobalBuffer stat = memory.output("stat", 8L * rows * heads);
    int stages = device.capability() == 75 ? 1 : 2;
    device.run(
        device
            .launch(
                kernel,
                Math.ceilDiv(rows, 128),
                heads,
                1,
                256,
                stages * tile * 2 * (p + r + v + 16))
            .p(memory.floats("q", Role.INPUT, q))
            .p(memory.put("K", Role.INPUT, halves(k)))
            .p(memory.put("keys", Role.INPUT, halves(keys)))
            .p(memory.put("Vs", Role.INPUT, halves(values)))
            .p(memory.ints("first", Role.INPUT, first))
            .p(memory.ints("own", Role.INPUT, own))
            .i(rows, heads, p, r, v)
            .f(scale)
            .p(out)
            .p(stat)
            .i(stages));
    for (int t = 0; t < rows; t++) {
      for (int n = 0; n < heads; n++) {
        int head = t * heads + n;
        double[] score = new double[own[t]];
        double most = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < own[t]; i++) {
          int s = first[t] + i;
          for (int e = 0; e < p + r; e++) {
            double key = e < p ? k[(s * heads + n) * p + e] : keys[s * r + e - p];
            score[i] += q[head * (p + r) + e] * key;
          }
          score[i] *= scale;
          most = Math.max(most, score[i]);
        }
        double sum = 0;
        for (int i = 0; i < own[t]; i++) {
          score[i] = Math.exp(score[i] - most);
          sum += score[i];
        }
        for (int c = 0; c < v; c++) {
          double want = 0;
          for (int i = 0; i < own[t]; i++) {
            want += score[i] / sum * values[((first[t] + i) * heads + n) * v + c];
          }
          Numbers.close("row " + t + " out", c, out.f32(head * v + c), want, 1e-2);
        }
        // the rounding of queries moves every score
        Numbers.close("row " + t + " stat", 0, stat.f32(2 * head), most, 1e-2);
        Numbers.close("row " + t + " stat", 1, stat.f32(2 * head + 1), sum, sum * 1e-2);
      }
    }
  }

  private static void merge(Device device) {
    int rows = 3;
    int heads = 2;
    int v = 20;
    Numbers numbers = new Numbers(43);
    float[] out = numbers.normal(rows * heads * v, 1);
    float[] before = numbers.normal(rows * heads * v, 1);
    float[] stat = {1, 2, -1, 3, 0.5f, 1, 2, 1, Float.NEGATIVE_INFINITY, 0, 0, 4};
    float[] statBefore = {
      0, 3, Float.NEGATIVE_INFINITY, 0, 2, 1, -3, 5, 1, 2, Float.NEGATIVE_INFINITY, 0
    };
    GlobalMemory memory = device.memory();
    GlobalBuffer to = memory.floats("out", Role.IN_PLACE, out);
    device.run(
        device
            .launch("mla_merge", rows, 1, 1, 256, 0)
            .p(to)
            .p(memory.floats("stat", Role.INPUT, stat))
            .p(memory.floats("outHistory", Role.INPUT, before))
            .p(memory.floats("statHistory", Role.INPUT, statBefore))
            .i(heads, v, rows)
            .p(memory.ints("unless", Role.INPUT, 1)));
    Numbers.assertClose(
        to,
        out.length,
        i -> {
          int head = i / v * 2;
          double a = stat[head + 1] * Math.exp(stat[head]);
          double b = statBefore[head + 1] * Math.exp(statBefore[head]);
          return (a * out[i] + b * before[i]) / (a + b);
        },
        _ -> 1e-5);
  }
}
