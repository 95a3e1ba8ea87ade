package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** repack_*, embed_* and transpose_heads_*: tiles and back. */
final class RepackCases {
  private static final int ROWS = 23;

  private RepackCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (WeightFormat f : WeightFormat.values()) {
      cases.add(
          new KernelCase("repack_" + f.suffix(), "all rows come back", d -> thereAndBack(d, f)));
      cases.add(new KernelCase("embed_" + f.suffix(), "rows in any order", d -> embed(d, f)));
      cases.add(new KernelCase("transpose_heads_" + f.suffix(), "two heads", d -> transpose(d, f)));
    }
    cases.add(new KernelCase("embed_f32", "rows in any order", RepackCases::embedFloats));
    cases.add(new KernelCase("transpose_heads_f32", "two heads", RepackCases::transposeFloats));
    return cases;
  }

  /** Columns that end within a tile, where the format has single numbers. */
  private static int columns(WeightFormat f) {
    return f.blockElements() == 1 ? 150 : 2 * f.tileColumns();
  }

  private static void thereAndBack(Device device, WeightFormat f) {
    Matrix m = Matrix.random(f, ROWS, columns(f), new Numbers(1).random());
    check(device, m, Numbers.ints(ROWS, i -> i));
  }

  private static void embed(Device device, WeightFormat f) {
    Matrix m = Matrix.random(f, ROWS, columns(f), new Numbers(2).random());
    check(device, m, new int[] {22, 0, 0, 16, 15, 7});
  }

  private static void check(Device device, Matrix m, int[] rows) {
    GlobalBuffer out = embed(device, m.format().suffix(), m.onDevice(device), rows, m.n(), m.k());
    double largest = largest(m.w());
    Numbers.assertClose(
        out, rows.length * m.k(), i -> m.w()[rows[i / m.k()]][i % m.k()], _ -> largest * 0x1p-22);
  }

  static double largest(double[][] w) {
    return Arrays.stream(w).flatMapToDouble(Arrays::stream).map(Math::abs).max().orElse(0);
  }

  private static GlobalBuffer embed(
      Device device, String suffix, GlobalBuffer table, int[] rows, int n, int k) {
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows.length * k);
    device.run(
        device
            .launch("embed_" + suffix, rows.length, 1, 1, 256, 0)
            .p(table)
            .p(memory.ints("rows", Role.INPUT, rows))
            .p(out)
            .i(n, k));
    return out;
  }

  private static void embedFloats(Device device) {
    int k = 37;
    float[] table = new Numbers(3).normal(ROWS * k, 1);
    int[] rows = {5, 22, 5};
    GlobalBuffer out =
        embed(device, "f32", device.memory().floats("table", Role.CONSTANT, table), rows, ROWS, k);
    Numbers.assertClose(out, rows.length * k, i -> table[rows[i / k] * k + i % k], _ -> 0);
  }

  private static void transpose(Device device, WeightFormat f) {
    int p = Math.max(32, f.blockElements());
    Matrix m = Matrix.random(f, 2 * 40, p, new Numbers(4).random());
    transpose(device, f.suffix(), m.onDevice(device), m.w(), 2, 40, p);
  }

  private static void transposeFloats(Device device) {
    int p = 48;
    float[] from = new Numbers(5).normal(2 * 40 * p, 1);
    double[][] w = new double[2 * 40][p];
    for (int i = 0; i < from.length; i++) {
      w[i / p][i % p] = from[i];
    }
    transpose(device, "f32", device.memory().floats("from", Role.CONSTANT, from), w, 2, 40, p);
  }

  /** Row h·lkv + l, column i goes to row h·p + i, column l, as F16. */
  private static void transpose(
      Device device, String suffix, GlobalBuffer from, double[][] w, int heads, int lkv, int p) {
    GlobalBuffer to = device.memory().output("to", WeightFormat.F16.tileBytes(heads * p, lkv));
    device.run(
        device
            .launch(
                "transpose_heads_" + suffix,
                Math.ceilDiv(lkv, 32),
                heads * Math.ceilDiv(p, 16),
                1,
                32,
                0)
            .p(from)
            .p(to)
            .i(heads, lkv, p));
    int[] rows = Numbers.ints(heads * p, i -> i);
    GlobalBuffer out = embed(device, "f16", device.handOn(to), rows, heads * p, lkv);
    double largest = largest(w);
    Numbers.assertClose(
        out,
        heads * p * lkv,
        i -> {
          int row = i / lkv;
          return w[row / p * lkv + i % lkv][row % p];
        },
        _ -> largest * 0x1p-11);
  }
}
