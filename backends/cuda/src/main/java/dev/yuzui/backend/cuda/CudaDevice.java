package dev.yuzui.backend.cuda;

/**
 * What the driver says of a device.
 *
 * @param capability compute capability, 90 for 9.0
 * @param sharedBytes of shared memory that a block may ask for
 * @param driver the newest CUDA that its driver speaks, 12040 for 12.4
 */
record CudaDevice(
    int ordinal,
    String name,
    int capability,
    long totalBytes,
    int multiprocessors,
    int sharedBytes,
    int driver) {

  /** The first that copies to shared memory while its threads go on. */
  static final int ASYNC_COPIES = 80;

  /** The oldest architecture that kernels are built for: the first with usable tensor cores. */
  static final int OLDEST = 75;

  /** Blocks that share one row's cache entries at most where rows differ. */
  private static final int MOST_SPLITS = 16;

  /** Blocks for each multiprocessor up to which rows are cut finer than fills the device. */
  private static final int MOST_BLOCKS = 16;

  /**
   * Blocks that share the cache entries of a row or run: as many as make two for each
   * multiprocessor in all. Where rows may differ in length, more, for one long sequence among short
   * ones, as long as the grid stays within some waves: what they leave for each other to add up is
   * memory that grows with the blocks, not with the rows' lengths.
   *
   * @param blocks without splits
   * @param uneven whether rows may see very different numbers of entries
   * @param most that could have work
   */
  int splits(long blocks, boolean uneven, long most) {
    long fill = 2L * multiprocessors / blocks;
    long help = uneven ? Math.min(MOST_SPLITS, (long) MOST_BLOCKS * multiprocessors / blocks) : 1;
    return (int) Math.clamp(most, 1, Math.max(1, Math.max(fill, help)));
  }

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
