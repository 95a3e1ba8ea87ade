package dev.yuzui.backend.cuda;

/**
 * What the driver says of a device.
 *
 * @param capability compute capability, 90 for 9.0
 * @param sharedBytes of shared memory that a block may ask for
 */
record CudaDevice(
    int ordinal,
    String name,
    int capability,
    long totalBytes,
    int multiprocessors,
    int sharedBytes) {

  /** The oldest architecture that kernels are built for: the first with usable tensor cores. */
  static final int OLDEST = 75;

  /** The tests' libcuda.so.1, which runs kernels on the processor. */
  boolean simulated() {
    return name.startsWith("Yuzui CUDA simulator");
  }

  /** What users type after {@code --device}. */
  String label() {
    return "cuda:" + ordinal;
  }

  /** {@code NVIDIA H200 (cuda:0, compute capability 9.0)}. */
  @Override
  public String toString() {
    return "%s (%s, compute capability %d.%d)"
        .formatted(name, label(), capability / 10, capability % 10);
  }
}
