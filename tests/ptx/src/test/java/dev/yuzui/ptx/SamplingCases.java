package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** argmax, top_k_part and top_k_merge. */
final class SamplingCases {
  private static final int PART = 4096;

  private SamplingCases() {}

  static List<KernelCase> all() {
    return List.of(
        new KernelCase("argmax", "three blocks", d -> argmax(d, 9000, 256)),
        new KernelCase("argmax", "odd columns, one block", d -> argmax(d, 1003, 256)),
        new KernelCase("argmax", "more blocks than threads", d -> argmax(d, 80_000, 32)),
        new KernelCase("top_k_part", "columns by four", d -> topK(d, 9000, 40)),
        new KernelCase("top_k_part", "odd columns", d -> topK(d, 5001, 128)),
        new KernelCase("top_k_merge", "sixteen parts of 128", d -> topK(d, 65_300, 128)),
        new KernelCase("top_k_merge", "three parts of 128", d -> topK(d, 9000, 128)),
        new KernelCase("top_k_merge", "fewer than are asked for in a part", d -> topK(d, 4100, 9)));
  }

  /** With a NaN, both zeros and an infinity, and many equal numbers. */
  private static float[] logits(int rows, int v) {
    float[] logits = new Numbers(v).normal(rows * v, 3);
    for (int i = 0; i < logits.length; i++) {
      logits[i] = Math.round(logits[i] * 64) / 64f;
    }
    logits[1] = Float.NaN;
    logits[2] = -0f;
    logits[3] = Float.NEGATIVE_INFINITY;
    return logits;
  }

  /** Best first, of equal ones the lower; NaN is the least. */
  private static List<Integer> best(float[] logits, int row, int v, int k) {
    return IntStream.range(0, v)
        .boxed()
        .sorted(Comparator.comparingDouble(i -> -number(logits[row * v + i])))
        .limit(k)
        .toList();
  }

  private static double number(float v) {
    return Float.isNaN(v) ? Double.NEGATIVE_INFINITY : v + 0.0;
  }

  private static void check(float[] logits, int v, int k, GlobalBuffer ids, GlobalBuffer values) {
    for (int row = 0; row < logits.length / v; row++) {
      List<Integer> best = best(logits, row, v, k);
      for (int i = 0; i < k; i++) {
        int at = row * k + i;
        Numbers.close("ids of row " + row, i, ids.i32(at), best.get(i), 0);
        Numbers.close("values", i, values.f32(at), logits[row * v + best.get(i)], 0);
      }
    }
  }

  private static void argmax(Device device, int v, int threads) {
    int rows = 2;
    int parts = Math.ceilDiv(v, 16 * threads);
    float[] logits = logits(rows, v);
    GlobalMemory memory = device.memory();
    GlobalBuffer ids = memory.output("ids", 4L * rows);
    GlobalBuffer values = memory.output("values", 4L * rows);
    device.run(
        device
            .launch("argmax", parts, rows, 1, threads, 0)
            .p(memory.floats("logits", Role.INPUT, logits))
            .i(v)
            .p(ids)
            .p(values)
            .p(memory.output("best", 8L * rows * parts))
            .p(memory.ints("counters", Role.IN_PLACE, 0, 0)));
    check(logits, v, 1, ids, values);
  }

  private static void topK(Device device, int v, int k) {
    int rows = 2;
    int parts = Math.ceilDiv(v, PART);
    float[] logits = logits(rows, v);
    GlobalMemory memory = device.memory();
    GlobalBuffer best = memory.output("best", 8L * rows * k * parts);
    GlobalBuffer ids = memory.output("ids", 4L * rows * k);
    GlobalBuffer values = memory.output("values", 4L * rows * k);
    device.run(
        device
            .launch("top_k_part", parts, rows, 1, 256, 0)
            .p(memory.floats("logits", Role.INPUT, logits))
            .i(v, k)
            .p(best));
    device.run(
        device
            .launch("top_k_merge", rows, 1, 1, 128, 0)
            .p(device.handOn(best))
            .i(parts, k)
            .p(ids)
            .p(values));
    check(logits, v, k, ids, values);
  }
}
