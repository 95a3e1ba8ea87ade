package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Launch;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;

/** matmul_*, matvec_*, gemm_* and to_half. */
final class ProductCases {
  /** Weights times F32 activations, sums in F32. */
  private static final double EXACT = 0x1p-17;

  /** Both factors rounded to F16. */
  private static final double HALF = 0x1p-8;

  private ProductCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (WeightFormat f : WeightFormat.values()) {
      matmul(cases, f);
      matvec(cases, f);
      gemm(cases, f);
    }
    cases.add(new KernelCase("matmul_f32", "eleven rows", ProductCases::matmulFloats));
    cases.add(new KernelCase("matmul_f32", "by expert", ProductCases::matmulFloatsByExpert));
    cases.add(
        new KernelCase(
            "matmul_f32_tiled", "seventy rows, odd shapes", d -> tiled(d, 70, 67, 101, 1)));
    cases.add(new KernelCase("matmul_f32_tiled", "columns split", d -> tiled(d, 66, 64, 328, 4)));
    cases.add(new KernelCase("to_half", "long rows", d -> toHalf(d, 6004)));
    cases.add(new KernelCase("to_half", "rows of any size", d -> toHalf(d, 37)));
    return cases;
  }

  /** Of more than one chunk, ending within one; within a unit where the format allows. */
  private static int columns(WeightFormat f) {
    return switch (f.blockElements()) {
      case 256 -> 512;
      case 64 -> 320;
      case 32 -> 352;
      default -> 344;
    };
  }

  // ---- matmul
  // -------------------------------------------------------------------------------------

  private static void matmul(List<KernelCase> cases, WeightFormat f) {
    String kernel = "matmul_" + f.suffix();
    int k = f.blockElements() == 256 ? 512 : f.blockElements() == 64 ? 320 : 288;
    cases.add(
        new KernelCase(kernel, "eleven rows", d -> matmul(d, Product.dense(f, 11, 9, k, 1, 0, 1))));
    cases.add(
        new KernelCase(kernel, "two heads", d -> matmul(d, Product.dense(f, 3, 19, k, 2, 1, 1))));
    cases.add(
        new KernelCase(
            kernel,
            "by expert",
            d -> matmul(d, Product.grouped(f, Groups.some(6), 11, k, true, 1))));
  }

  private static void matmul(Device device, Product p) {
    GlobalBuffer out = p.output(device);
    int y = p.tiles(Math.min(p.tokens(), 8));
    Launch launch =
        device.launch(
            "matmul_" + p.format().suffix(), Math.ceilDiv(p.n(), 8) * p.heads(), y, 1, 256, 0);
    p.putWeights(launch, device, false);
    p.putX(launch, p.xOnDevice(device)).p(out);
    p.putShape(launch);
    p.putGroups(launch, device);
    device.run(launch);
    p.check(out, false, EXACT);
  }

  private static void matmulFloats(Device device) {
    int rows = 11;
    int n = 19;
    int k = 310;
    Numbers numbers = new Numbers(7);
    float[] w = numbers.normal(n * k, 1);
    float[] x = numbers.normal(rows * k, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows * n);
    device.run(
        device
            .launch("matmul_f32", Math.ceilDiv(n, 8), Math.ceilDiv(rows, 8), 1, 256, 0)
            .p(memory.floats("w", Role.CONSTANT, w))
            .none()
            .p(memory.floats("x", Role.INPUT, x))
            .i(k, k, 0)
            .p(out)
            .i(n, n, 0, rows, n, k, 1)
            .none()
            .none()
            .i(1, 0, 0));
    Numbers.assertClose(
        out,
        rows * n,
        i -> {
          double sum = 0;
          for (int j = 0; j < k; j++) {
            sum += (double) w[i % n * k + j] * x[i / n * k + j];
          }
          return sum;
        },
        _ -> EXACT * k);
  }

  private static void matmulFloatsByExpert(Device device) {
    Groups g = Groups.some(6);
    int n = 11;
    int k = 70;
    Numbers numbers = new Numbers(8);
    float[][] w = new float[g.experts()][];
    GlobalMemory memory = device.memory();
    long[] table = new long[g.experts()];
    for (int e = 0; e < w.length; e++) {
      w[e] = numbers.normal(n * k, 1);
      table[e] = memory.floats("w", Role.CONSTANT, w[e]).address();
    }
    float[] x = numbers.normal(g.tokens() * k, 1);
    GlobalBuffer out = memory.output("out", 4L * g.tokens() * g.used() * n);
    device.run(
        device
            .launch("matmul_f32", Math.ceilDiv(n, 8), g.tiles(g.tokens()), 1, 256, 0)
            .none()
            .p(memory.longs("table", Role.CONSTANT, table))
            .p(memory.floats("x", Role.INPUT, x))
            .i(k, k, 0)
            .p(out)
            .i(n, n, 0, g.tokens(), n, k, 1)
            .p(g.offset(device))
            .p(g.slot(device))
            .i(g.used(), 0, g.experts()));
    Numbers.assertClose(
        out,
        g.places() * n,
        i -> {
          double sum = 0;
          for (int j = 0; j < k; j++) {
            sum += (double) w[g.expert(i / n)][i % n * k + j] * x[g.row(i / n, true) * k + j];
          }
          return sum;
        },
        _ -> EXACT * k);
  }

  /** Rows of x and out are longer than what counts of them. */
  private static void tiled(Device device, int rows, int n, int k, int splits) {
    int xStride = k + 3 & ~3;
    Numbers numbers = new Numbers(9);
    float[] w = numbers.normal(n * k, 1);
    float[] x = numbers.normal(rows * xStride, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * rows * (n + 1));
    int gridX = Math.ceilDiv(n, 64);
    int gridY = Math.ceilDiv(rows, 64);
    GlobalBuffer counters = memory.ints("counters", Role.IN_PLACE, new int[gridX * gridY]);
    device.run(
        device
            .launch("matmul_f32_tiled", gridX, gridY, splits, 128, 0)
            .p(memory.floats("w", Role.CONSTANT, w))
            .p(memory.floats("x", Role.INPUT, x))
            .i(xStride)
            .p(out)
            .i(n + 1, rows, n, k)
            .p(memory.output("partial", 4L * splits * rows * n))
            .p(counters)
            .i(splits));
    for (int t = 0; t < rows; t++) {
      for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < k; j++) {
          sum += (double) w[i * k + j] * x[t * xStride + j];
        }
        Numbers.close("row " + t + ", out", i, out.f32(t * (n + 1) + i), sum, EXACT * k);
      }
    }
    zeroAgain(counters);
  }

  // ---- matvec
  // -------------------------------------------------------------------------------------

  private static void matvec(List<KernelCase> cases, WeightFormat f) {
    String kernel = "matvec_" + f.suffix();
    int k = columns(f);
    cases.add(
        new KernelCase(
            kernel,
            "three rows, a strip for each warp",
            d -> matvec(d, Product.dense(f, 3, 40, k, 1, 1, 1), 1, 8)));
    if (f.lowBit()) {
      cases.add(
          new KernelCase(
              kernel,
              "by expert, gated, columns split",
              d -> matvec(d, Product.grouped(f, Groups.some(14), 16, 2 * k, true, 2), 2, 1)));
      return;
    }
    cases.add(
        new KernelCase(
            kernel,
            "nine rows, gated, columns split between blocks",
            d -> matvec(d, Product.dense(f, 9, 24, 2 * k, 1, 0, 2), 2, 2)));
    cases.add(
        new KernelCase(
            kernel,
            "two heads, warps share strips",
            d -> matvec(d, Product.dense(f, 2, 16, k, 2, 4, 1), 1, 1)));
    cases.add(
        new KernelCase(
            kernel,
            "by expert, gated",
            d -> matvec(d, Product.grouped(f, Groups.some(14), 16, k, true, 2), 1, 1)));
    cases.add(
        new KernelCase(
            kernel,
            "by expert, in place, columns split",
            d -> matvec(d, Product.grouped(f, Groups.some(5), 16, 2 * k, false, 1), 2, 1)));
  }

  private static void matvec(Device device, Product p, int splits, int strips) {
    int tile = Math.min(p.tokens(), 8);
    int z = p.tiles(tile);
    int x = Math.ceilDiv(Math.ceilDiv(p.n(), WeightFormat.STRIP), strips) * p.heads();
    int chunks = Math.ceilDiv(Math.ceilDiv(p.k(), 32), p.format().chunk());
    int units = p.format().chunk() * Math.ceilDiv(chunks, splits);
    int shared = tile * (128 * units + 64) + 64 * units + 8192;
    int matrices = p.matrices().size() / p.groups().map(Groups::experts).orElse(1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = p.output(device);
    GlobalBuffer partial =
        memory.output("partial", 4L * splits * p.rows() * p.heads() * p.n() * matrices);
    GlobalBuffer counters = memory.ints("counters", Role.IN_PLACE, new int[x * z]);
    Launch launch = device.launch("matvec_" + p.format().suffix(), x, splits, z, 256, shared);
    p.putWeights(launch, device, true);
    p.putX(launch, p.xOnDevice(device)).p(out);
    p.putShape(launch);
    p.putGroups(launch, device).p(partial).p(counters).i(splits, strips);
    device.run(launch);
    p.check(out, false, EXACT);
    zeroAgain(counters);
  }

  private static void zeroAgain(GlobalBuffer counters) {
    for (int i = 0; i < counters.size() / 4; i++) {
      Numbers.close("counters", i, counters.i32(i), 0, 0);
    }
  }

  // ---- gemm
  // ---------------------------------------------------------------------------------------

  private static void gemm(List<KernelCase> cases, WeightFormat f) {
    int k =
        switch (f.blockElements()) {
          case 256 -> 256;
          case 64 -> 192;
          case 32 -> 224;
          default -> 216;
        };
    String small = "gemm_" + f.suffix() + "_small";
    String large = "gemm_" + f.suffix() + "_large";
    cases.add(
        new KernelCase(
            small,
            "columns split between blocks",
            d -> gemm(d, Product.dense(f, 59, 72, 2 * k, 1, 0, 1), false, false, 5)));
    cases.add(
        new KernelCase(
            small,
            "columns split between blocks, in halves",
            d -> gemm(d, Product.dense(f, 64, 64, 2 * k, 1, 0, 1), false, true, 5)));
    cases.add(
        new KernelCase(
            small,
            "by expert, in halves",
            d -> gemm(d, Product.grouped(f, Groups.some(12), 24, k, true, 1), false, true, 1)));
    if (f.lowBit()) {
      cases.add(
          new KernelCase(
              small,
              "a whole tile",
              d -> gemm(d, Product.dense(f, 64, 64, k, 1, 0, 1), false, false, 1)));
      cases.add(
          new KernelCase(
              large,
              "by expert, in halves",
              d -> gemm(d, Product.grouped(f, Groups.some(12), 72, k, true, 1), true, true, 1)));
      cases.add(
          new KernelCase(
              large,
              "whole tiles",
              d -> gemm(d, Product.dense(f, 128, 64, k, 1, 0, 1), true, false, 1)));
      return;
    }
    cases.add(
        new KernelCase(
            small,
            "70 rows, two heads",
            d -> gemm(d, Product.dense(f, 70, 48, k, 2, 0, 1), false, false, 1)));
    cases.add(
        new KernelCase(
            large,
            "whole tiles, in halves",
            d -> gemm(d, Product.dense(f, 128, 128, k, 1, 0, 1), true, true, 1)));
    cases.add(
        new KernelCase(
            large,
            "140 rows",
            d -> gemm(d, Product.dense(f, 140, 136, k, 1, 0, 1), true, false, 1)));
    cases.add(
        new KernelCase(
            large,
            "by expert, in place",
            d -> gemm(d, Product.grouped(f, Groups.some(12), 40, k, false, 1), true, false, 1)));
  }

  private static void gemm(Device device, Product p, boolean large, boolean half, int splits) {
    int rows = large && !p.format().narrowGemm() ? 128 : 64;
    int columns = large ? 128 : 64;
    int x = Math.ceilDiv(p.n(), rows) * p.heads();
    int y = p.tiles(columns);
    GlobalMemory memory = device.memory();
    int padded = Math.ceilDiv(p.k(), 32) * 32;
    GlobalBuffer xh = memory.output("x in F16", 2L * p.heads() * p.xRows() * padded);
    GlobalBuffer xScale = memory.output("scales of x", 4L * p.heads() * p.xRows());
    Launch toHalf = device.launch("to_half", p.xRows(), p.heads(), 1, 256, 0);
    p.putX(toHalf, p.xOnDevice(device)).i(p.k(), p.heads(), p.xRows()).p(xh).p(xScale);
    device.run(toHalf);

    GlobalBuffer out = half ? p.halfOutput(device) : p.output(device);
    GlobalBuffer partial = memory.output("partial", 4L * splits * p.rows() * p.heads() * p.n());
    GlobalBuffer counters = memory.ints("counters", Role.IN_PLACE, new int[x * y]);
    Launch launch =
        device.launch(
            "gemm_" + p.format().suffix() + (large ? "_large" : "_small"),
            x,
            y,
            splits,
            128,
            p.format().gemmShared(rows, columns, large, device.capability()));
    p.putWeights(launch, device, false);
    launch.p(device.handOn(xh)).p(device.handOn(xScale)).i(p.xRows()).p(out).i(half ? 1 : 0);
    p.putShape(launch);
    p.putGroups(launch, device)
        .p(memory.ints("unless", Role.INPUT, 1))
        .p(partial)
        .p(counters)
        .i(splits);
    device.run(launch);
    p.check(out, half, HALF);
    zeroAgain(counters);
  }

  private static void toHalf(Device device, int k) {
    // 16j + 4c + i of a unit lies at 8c + 4j + i
    toHalf(device, "to_half", k, j -> j / 32 * 32 + j / 4 % 4 * 8 + j % 32 / 16 * 4 + j % 4);
  }

  /**
   * Numbers under a power of two a row: far above, far below and zero.
   *
   * @param place of column j in its row of halves
   */
  static void toHalf(Device device, String kernel, int k, IntUnaryOperator place) {
    int rows = 4;
    int padded = Math.ceilDiv(k, 32) * 32;
    float[] x = new Numbers(11).normal(rows * k, 1);
    for (int i = 0; i < x.length; i++) {
      x[i] *= new float[] {1e12f, 1, 1e-12f, 0}[i / k];
    }
    GlobalMemory memory = device.memory();
    GlobalBuffer xh = memory.output("x in F16", 2 * rows * padded);
    GlobalBuffer scale = memory.output("scales", 4 * rows);
    device.run(
        device
            .launch(kernel, rows, 1, 1, 256, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .i(k, k, 0, k, 1, rows)
            .p(xh)
            .p(scale));
    for (int t = 0; t < rows; t++) {
      double most = 0;
      for (int j = 0; j < k; j++) {
        most = Math.max(most, Math.abs(x[t * k + j]));
      }
      for (int j = 0; j < padded; j++) {
        int at = t * padded + place.applyAsInt(j);
        double got = (double) xh.f16(at) * scale.f32(t);
        Numbers.close("row " + t, j, got, j < k ? x[t * k + j] : 0, most * 0x1p-11);
      }
    }
  }
}
