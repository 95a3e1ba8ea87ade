package dev.yuzui.ptx;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.List;

/** rope_append_* and append_*: entries that are written, and queries that are turned. */
final class CacheCases {
  private static final int HEADS = 3;
  private static final int[] POSITION = {18, 0, 5};
  private static final int[] SEQUENCE = {1, 0, -1};

  private CacheCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (Format f : Format.values()) {
      String kernel = "rope_append_" + f.suffix();
      cases.add(new KernelCase(kernel, "columns by four", d -> append(d, f, 48, 16, true, 256)));
      cases.add(new KernelCase(kernel, "odd sizes", d -> append(d, f, 37, 6, true, 256)));
      cases.add(new KernelCase(kernel, "one warp, by four", d -> append(d, f, 612, 256, true, 32)));
      cases.add(new KernelCase(kernel, "one warp, odd", d -> append(d, f, 301, 166, true, 32)));
      cases.add(new KernelCase(kernel, "without queries", d -> append(d, f, 1100, 8, false, 256)));
      String heads = "append_" + f.suffix();
      cases.add(new KernelCase(heads, "two heads of 64", d -> appendHeads(d, f, 2, 64, 256)));
      cases.add(new KernelCase(heads, "two blocks a row", d -> appendHeads(d, f, 9, 128, 256)));
      cases.add(new KernelCase(heads, "odd sizes", d -> appendHeads(d, f, 3, 38, 256)));
      cases.add(new KernelCase(heads, "one warp, by four", d -> appendHeads(d, f, 9, 68, 32)));
      cases.add(new KernelCase(heads, "one warp, odd", d -> appendHeads(d, f, 9, 54, 32)));
    }
    return cases;
  }

  private static void append(
      Device device, Format f, int lkv, int r, boolean queries, int threads) {
    int width = lkv + r;
    int qHeadStride = r + 12;
    int qOffset = 4;
    float eps = 1e-6f;
    Numbers numbers = new Numbers(lkv);
    KvCache cache = KvCache.random(f, width, 4, 2, 20, numbers.random());
    float[] q = numbers.normal(3 * HEADS * qHeadStride, 1);
    float[] kv = numbers.normal(3 * width, 1);
    float[] norm = numbers.normal(lkv, 1);
    float[] table = numbers.normal(19 * r, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer entries = cache.entries(device, Role.IN_PLACE);
    GlobalBuffer turned = memory.floats("q", Role.IN_PLACE, q);
    var launch = device.launch("rope_append_" + f.suffix(), 3, queries ? 2 : 1, 1, threads, 0);
    if (queries) {
      launch.p(turned).i(HEADS * qHeadStride, qHeadStride, qOffset, HEADS);
    } else {
      launch.none().i(0, 0, 0, 1);
    }
    device.run(
        launch
            .p(memory.floats("kv", Role.INPUT, kv))
            .p(memory.floats("norm", Role.CONSTANT, norm))
            .f(eps)
            .p(memory.floats("table", Role.CONSTANT, table))
            .i(lkv, r)
            .p(entries)
            .i(cache.pageTokens())
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(cache.pages(device))
            .i(cache.pagesPerSequence()));
    byte[] after = entries.content();
    for (int t = 0; t < 2; t++) {
      double squares = 0;
      for (int l = 0; l < lkv; l++) {
        squares += (double) kv[t * width + l] * kv[t * width + l];
      }
      double scale = 1 / Math.sqrt(squares / lkv + eps);
      int at = cache.row(SEQUENCE[t], POSITION[t]) * width;
      for (int i = 0; i < width; i++) {
        double want =
            i < lkv
                ? kv[t * width + i] * scale * norm[i]
                : RowCases.turned(kv, t * width + i, i - lkv, table, angle(t, i - lkv, r));
        Numbers.close("entry " + t, i, f.read(after, at + i), want, rounding(f, want));
      }
    }
    unchanged(cache, after, f);
    for (int i = 0; queries && i < 3 * HEADS * r; i++) {
      int at = i / r * qHeadStride + qOffset + i % r;
      double want = RowCases.turned(q, at, i % r, table, angle(i / r / HEADS, i % r, r));
      Numbers.close("q", i, turned.f32(at), want, 1e-5);
    }
  }

  private static void appendHeads(Device device, Format f, int g, int d, int threads) {
    int half = g * d;
    Numbers numbers = new Numbers(half);
    KvCache cache = KvCache.random(f, 2 * half, 4, 2, 20, numbers.random());
    float[] k = numbers.normal(3 * half, 1);
    float[] v = numbers.normal(3 * half, 1);
    float[] table = numbers.normal(19 * d, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer entries = cache.entries(device, Role.IN_PLACE);
    device.run(
        device
            .launch("append_" + f.suffix(), 3, Math.ceilDiv(half, 1024), 1, threads, 0)
            .p(memory.floats("k", Role.INPUT, k))
            .p(memory.floats("v", Role.INPUT, v))
            .p(memory.floats("table", Role.CONSTANT, table))
            .i(g, d)
            .p(entries)
            .i(cache.pageTokens())
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(cache.pages(device))
            .i(cache.pagesPerSequence()));
    byte[] after = entries.content();
    for (int t = 0; t < 2; t++) {
      int at = cache.row(SEQUENCE[t], POSITION[t]) * 2 * half;
      for (int i = 0; i < 2 * half; i++) {
        int from = t * half + i / (2 * d) * d + i % d;
        double want =
            i / d % 2 == 0 ? RowCases.turned(k, from, i % d, table, angle(t, i % d, d)) : v[from];
        Numbers.close("entry " + t, i, f.read(after, at + i), want, rounding(f, want));
      }
    }
    unchanged(cache, after, f);
  }

  private static int angle(int t, int in, int r) {
    return POSITION[t] * r + in / 2 * 2;
  }

  /** The rows of no step, the padding row's too. */
  static void unchanged(KvCache cache, byte[] after, Format f) {
    int row = cache.width() * f.bytes();
    for (int i = 0; i < after.length; i++) {
      boolean written =
          i / row == cache.row(SEQUENCE[0], POSITION[0])
              || i / row == cache.row(SEQUENCE[1], POSITION[1]);
      if (!written) {
        Numbers.close("byte of another entry", i, after[i], cache.entries()[i], 0);
      }
    }
  }

  /** Half a step of the format, and what F32 arithmetic loses. */
  static double rounding(Format f, double v) {
    double relative =
        switch (f) {
          case F32 -> 0x1p-21;
          case F16 -> 0x1p-11;
          case BF16 -> 0x1p-8;
          case E4M3 -> 0x1p-4;
        };
    return Math.abs(v) * relative * 1.01 + (f == Format.E4M3 ? 0x1p-10 : 1e-6);
  }
}
