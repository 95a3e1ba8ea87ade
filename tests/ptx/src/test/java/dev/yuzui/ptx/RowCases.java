package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.List;

/** Norms, sums, rotations, copies: the kernels of rows.cu that need no cache, and the probes. */
final class RowCases {
  private static final double ULPS = 0x1p-20;

  private RowCases() {}

  static List<KernelCase> all() {
    return List.of(
        new KernelCase("rms_norm", "columns by four", d -> norm(d, 260, false, 128)),
        new KernelCase("rms_norm", "odd columns", d -> norm(d, 301, false, 128)),
        new KernelCase("rms_norm", "more than a thread holds", d -> norm(d, 2052, false, 64)),
        new KernelCase("add_rms_norm", "columns by four", d -> norm(d, 516, true, 512)),
        new KernelCase("add_rms_norm", "odd columns", d -> norm(d, 515, true, 512)),
        new KernelCase("add_rms_norm", "more than a thread holds", d -> norm(d, 2052, true, 64)),
        new KernelCase(
            "add", "whole groups of four and a rest", d -> elements(d, "add", 4102, 256)),
        new KernelCase("add", "not aligned", d -> elements(d, "add", 1300, 4)),
        new KernelCase("add_row", "columns by four", d -> addRow(d, 1300, 256)),
        new KernelCase("add_row", "odd columns", d -> addRow(d, 1301, 256)),
        new KernelCase("add_row", "one warp, by four", d -> addRow(d, 1300, 32)),
        new KernelCase("add_row", "one warp, odd", d -> addRow(d, 301, 32)),
        new KernelCase(
            "silu_mul", "groups of four and a rest", d -> elements(d, "silu_mul", 4102, 256)),
        new KernelCase("silu_mul", "not aligned", d -> elements(d, "silu_mul", 1300, 4)),
        new KernelCase("concat", "columns by four", d -> concat(d, 860, 1204)),
        new KernelCase("concat", "odd columns", d -> concat(d, 275, 391)),
        new KernelCase("copy_per_head", "columns by four", d -> copyPerHead(d, 252, 4)),
        new KernelCase("copy_per_head", "odd columns", d -> copyPerHead(d, 85, 3)),
        new KernelCase("rope", "columns by four", d -> rope(d, 304, 4)),
        new KernelCase("rope", "odd pairs", d -> rope(d, 158, 1)),
        new KernelCase("probe_copy", "rounds of four and a rest", RowCases::probeCopy),
        new KernelCase("probe_bf16", "seven rounds", RowCases::probeProducts));
  }

  private static void norm(Device device, int cols, boolean adds, int threads) {
    int rows = 2;
    float eps = 1e-6f;
    Numbers numbers = new Numbers(cols);
    float[] x = numbers.normal(rows * cols, 2);
    float[] y = numbers.normal(rows * cols, 2);
    float[] weight = numbers.normal(cols, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * x.length);
    GlobalBuffer sum = memory.floats("x", adds ? Role.IN_PLACE : Role.INPUT, x);
    var launch = device.launch(adds ? "add_rms_norm" : "rms_norm", rows, 1, 1, threads, 0).p(sum);
    if (adds) {
      launch.p(memory.floats("y", Role.INPUT, y));
    }
    device.run(launch.p(memory.floats("weight", Role.CONSTANT, weight)).f(eps).p(out).i(cols));
    for (int t = 0; t < rows; t++) {
      double[] v = new double[cols];
      double squares = 0;
      for (int c = 0; c < cols; c++) {
        v[c] = x[t * cols + c] + (adds ? (double) y[t * cols + c] : 0);
        squares += v[c] * v[c];
      }
      double scale = 1 / Math.sqrt(squares / cols + eps);
      for (int c = 0; c < cols; c++) {
        double want = v[c] * scale * weight[c];
        Numbers.close("row " + t, c, out.f32(t * cols + c), want, Math.abs(want) * ULPS + 1e-6);
        if (adds) {
          Numbers.close("sum of row " + t, c, sum.f32(t * cols + c), v[c], 1e-6);
        }
      }
    }
  }

  /**
   * @param align of the buffers' addresses
   */
  private static void elements(Device device, String kernel, int n, int align) {
    Numbers numbers = new Numbers(n);
    float[] a = numbers.normal(n, 3);
    float[] b = numbers.normal(n, 3);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * n, align);
    device.run(
        device
            .launch(kernel, 2, 1, 1, 64, 0)
            .p(memory.put("a", Role.INPUT, GlobalMemory.bytes(a), align))
            .p(memory.put("b", Role.INPUT, GlobalMemory.bytes(b), align))
            .p(out)
            .l(n));
    Numbers.assertClose(
        out,
        n,
        i -> kernel.equals("add") ? (double) a[i] + b[i] : Numbers.silu(a[i]) * b[i],
        _ -> 1e-5);
  }

  private static void addRow(Device device, int cols, int threads) {
    int rows = 3;
    Numbers numbers = new Numbers(cols);
    float[] x = numbers.normal(rows * cols, 3);
    float[] row = numbers.normal(cols, 3);
    GlobalMemory memory = device.memory();
    GlobalBuffer sum = memory.floats("x", Role.IN_PLACE, x);
    device.run(
        device
            .launch("add_row", rows, Math.ceilDiv(cols, 1024), 1, threads, 0)
            .p(sum)
            .p(memory.floats("row", Role.CONSTANT, row))
            .i(cols));
    Numbers.assertClose(sum, x.length, i -> (double) x[i] + row[i % cols], _ -> 1e-6);
  }

  private static void concat(Device device, int a, int b) {
    int rows = 3;
    Numbers numbers = new Numbers(a);
    float[] left = numbers.normal(rows * a, 1);
    float[] right = numbers.normal(rows * b, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows * (a + b));
    device.run(
        device
            .launch("concat", rows, 1, 1, 32, 0)
            .p(memory.floats("a", Role.INPUT, left))
            .p(memory.floats("b", Role.INPUT, right))
            .p(out)
            .i(a, b));
    Numbers.assertClose(
        out,
        rows * (a + b),
        i -> {
          int t = i / (a + b);
          int c = i % (a + b);
          return c < a ? left[t * a + c] : right[t * b + c - a];
        },
        _ -> 0);
  }

  private static void copyPerHead(Device device, int count, int offset) {
    int rows = 2;
    int heads = 3;
    int from = 2 * count;
    int to = count + 8;
    float[] x = new Numbers(count).normal(rows * heads * from, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows * heads * to);
    device.run(
        device
            .launch("copy_per_head", rows, 1, 1, 32, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .i(heads * from, from, offset, count, heads)
            .p(out)
            .i(heads * to, to, offset));
    for (int i = 0; i < rows * heads * count; i++) {
      int head = i / count;
      int c = i % count;
      Numbers.close("out", i, out.f32(head * to + offset + c), x[head * from + offset + c], 0);
    }
  }

  private static void rope(Device device, int r, int offset) {
    int heads = 3;
    int stride = r + 8;
    int[] position = {4, 0};
    Numbers numbers = new Numbers(r);
    float[] x = numbers.normal(2 * heads * stride, 1);
    float[] table = numbers.normal(5 * r, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * x.length);
    device.run(
        device
            .launch("rope", 2, 1, 1, 32, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .i(heads * stride, stride, offset, heads)
            .p(memory.floats("table", Role.CONSTANT, table))
            .i(r)
            .p(memory.ints("position", Role.INPUT, position))
            .p(out)
            .i(heads * stride, stride, offset));
    for (int i = 0; i < 2 * heads * r; i++) {
      int at = i / r * stride + offset + i % r;
      int angle = position[i / r / heads] * r + i % r / 2 * 2;
      Numbers.close("out", i, out.f32(at), turned(x, at, i % r, table, angle), 1e-5);
    }
  }

  /** Number {@code at} after the turn; {@code in} says whether it is the first of its pair. */
  static double turned(float[] x, int at, int in, float[] table, int angle) {
    double cos = table[angle];
    double sin = table[angle + 1];
    return in % 2 == 0 ? x[at] * cos - x[at + 1] * sin : x[at - 1] * sin + x[at] * cos;
  }

  private static void probeCopy(Device device) {
    int n = 5 * 128 + 3;
    float[] from = new Numbers(17).normal(4 * n, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer to = memory.output("to", 16L * n);
    device.run(
        device
            .launch("probe_copy", 2, 1, 1, 64, 0)
            .p(memory.floats("from", Role.INPUT, from))
            .p(to)
            .l(n));
    Numbers.assertClose(to, 4 * n, i -> from[i], _ -> 0);
  }

  /** Its products go nowhere; what it says it did does. */
  private static void probeProducts(Device device) {
    GlobalMemory memory = device.memory();
    GlobalBuffer flop = memory.output("flop", 8);
    device.run(
        device.launch("probe_bf16", 1, 1, 1, 256, 49152).p(memory.output("out", 4)).p(flop).i(7));
    Numbers.close("flop", 0, flop.i64(0), 2.0 * 8 * 16 * 7 * 16 * 8 * 16, 0);
  }
}
