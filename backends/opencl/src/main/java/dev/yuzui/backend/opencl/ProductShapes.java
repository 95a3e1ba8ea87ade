package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Encoding;
import java.util.Set;

/**
 * How products are cut for a device.
 *
 * @param wide a work-item takes whole vectors and is a work-group of its own, for processors; else
 *     work-items side by side share a row
 * @param lanes work-items that share a row of weights at most
 * @param items work-items of a group
 * @param subgroups so many lanes are a sub-group
 * @param dots few rows are rounded to eight bits where the weights have no more
 * @param halves many rows are rounded to F16 where the weights lose little by that
 */
record ProductShapes(
    boolean wide, int lanes, int items, boolean subgroups, boolean dots, boolean halves) {
  /** Work-items of a group of gemm.cl, and of matvec.cl at most. */
  static final int ITEMS = 128;

  /** Whose units weights.clh gives as eight-bit codes. */
  private static final Set<Encoding> CODED =
      Set.of(
          new Encoding.Q4_0(),
          new Encoding.Q4_1(),
          new Encoding.Q5_0(),
          new Encoding.Q5_1(),
          new Encoding.Q8_0(),
          new Encoding.Q4_K(),
          new Encoding.Q5_K(),
          new Encoding.Q6_K(),
          new Encoding.IQ1_S(),
          new Encoding.IQ1_M(),
          new Encoding.IQ2_XXS(),
          new Encoding.IQ2_XS(),
          new Encoding.IQ2_S(),
          new Encoding.IQ3_XXS(),
          new Encoding.IQ3_S(),
          new Encoding.TQ1_0(),
          new Encoding.TQ2_0(),
          new Encoding.Q1_0(),
          new Encoding.Q2_0(),
          new Encoding.MXFP4(),
          new Encoding.NVFP4());

  static ProductShapes of(DeviceFacts device, Extras extras) {
    if (device.cpu()) {
      return new ProductShapes(true, 1, 1, false, false, false);
    }
    int items = Math.min(ITEMS, Integer.highestOneBit(device.workGroup()));
    boolean subgroups = extras.subgroup() > 0 && extras.subgroup() <= items;
    return new ProductShapes(
        false,
        subgroups ? extras.subgroup() : 32,
        items,
        subgroups,
        extras.dots(),
        extras.halves());
  }

  boolean dots(Encoding weights) {
    return dots && CODED.contains(weights);
  }

  /** F32 promises F32's results; BF16, FP8 and MXFP4 have exponents that F16 has not. */
  boolean halves(Encoding weights) {
    boolean wide = weights instanceof Encoding.MXFP4;
    return halves && !wide && (weights instanceof Encoding.Block || weights.equals(Encoding.F16));
  }
}
