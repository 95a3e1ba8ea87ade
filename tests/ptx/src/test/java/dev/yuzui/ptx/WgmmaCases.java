package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Launch;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** gemm_*_wgmma and rows_to_half. */
final class WgmmaCases {
  /** Both factors rounded to F16. */
  private static final double HALF = 0x1p-8;

  private static final int ROWS = 256;
  private static final int COLUMNS = 128;
  private static final int THREADS = 384;

  /** Formats that have kernels. */
  static final Set<WeightFormat> FORMATS = EnumSet.range(WeightFormat.F16, WeightFormat.IQ4_XS);

  private WgmmaCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (WeightFormat f : FORMATS) {
      String kernel = "gemm_" + f.suffix() + "_wgmma";
      int k = f.blockElements() == 256 ? 256 : f.blockElements() == 32 ? 224 : 216;
      // stages of x and of weights are used again
      int many = f.blockElements() == 256 ? 1024 : f.blockElements() == 32 ? 992 : 984;
      cases.add(
          new KernelCase(
              kernel,
              "whole tiles, in halves",
              d -> gemm(d, Product.dense(f, 128, 256, k, 1, 0, 1), true)));
      cases.add(
          new KernelCase(
              kernel, "long rows", d -> gemm(d, Product.dense(f, 70, 200, many, 1, 0, 1), false)));
      cases.add(
          new KernelCase(
              kernel, "two heads", d -> gemm(d, Product.dense(f, 30, 272, k, 2, 4, 1), false)));
      cases.add(
          new KernelCase(
              kernel,
              "by expert",
              d -> gemm(d, Product.grouped(f, Groups.some(12), 40, k, true, 1), false)));
    }
    cases.add(
        new KernelCase(
            "gemm_q8_0_wgmma",
            "by expert, in place",
            d ->
                gemm(
                    d,
                    Product.grouped(WeightFormat.Q8_0, Groups.some(9), 24, 96, false, 1),
                    true)));
    cases.add(new KernelCase("rows_to_half", "long rows", d -> rowsToHalf(d, 6004)));
    cases.add(new KernelCase("rows_to_half", "rows of any size", d -> rowsToHalf(d, 37)));
    return cases;
  }

  private static void gemm(Device device, Product p, boolean half) {
    GlobalMemory memory = device.memory();
    int padded = Math.ceilDiv(p.k(), 32) * 32;
    GlobalBuffer xh = memory.output("x in F16", 2L * p.heads() * p.xRows() * padded);
    GlobalBuffer xScale = memory.output("scales of x", 4L * p.heads() * p.xRows());
    Launch toHalf = device.launch("rows_to_half", p.xRows(), p.heads(), 1, 256, 0);
    p.putX(toHalf, p.xOnDevice(device)).i(p.k(), p.heads(), p.xRows()).p(xh).p(xScale);
    device.run(toHalf);

    GlobalBuffer out = half ? p.halfOutput(device) : p.output(device);
    Launch launch =
        device.launch(
            "gemm_" + p.format().suffix() + "_wgmma",
            Math.ceilDiv(p.n(), ROWS) * p.heads(),
            p.tiles(COLUMNS),
            1,
            THREADS,
            p.format().wgmmaShared());
    p.putWeights(launch, device, false);
    launch.p(device.handOn(xh)).p(device.handOn(xScale)).i(p.xRows()).p(out).i(half ? 1 : 0);
    p.putShape(launch);
    p.putGroups(launch, device).p(memory.ints("unless", Role.INPUT, 1));
    device.run(launch);
    p.check(out, half, HALF);
  }

  private static void rowsToHalf(Device device, int k) {
    // 16j + 4c + 2h + e of a unit lies at 16j + 8h + 2c + e
    ProductCases.toHalf(
        device, "rows_to_half", k, j -> j / 16 * 16 + j / 2 % 2 * 8 + j % 16 / 4 * 2 + j % 2);
  }
}
