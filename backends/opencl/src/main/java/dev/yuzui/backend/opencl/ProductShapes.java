package dev.yuzui.backend.opencl;

/**
 * How products are cut for a device.
 *
 * @param wide a work-item takes whole vectors and is a work-group of its own, for processors; else
 *     work-items side by side share a row
 * @param lanes work-items that share a row of weights at most
 * @param items work-items of a group
 */
record ProductShapes(boolean wide, int lanes, int items) {
  /** Work-items of a group of gemm.cl, and of matvec.cl at most. */
  static final int ITEMS = 128;

  static ProductShapes of(DeviceFacts device) {
    return device.cpu()
        ? new ProductShapes(true, 1, 1)
        : new ProductShapes(false, 32, Math.min(ITEMS, Integer.highestOneBit(device.workGroup())));
  }
}
