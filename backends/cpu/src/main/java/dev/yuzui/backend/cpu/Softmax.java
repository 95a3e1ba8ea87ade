package dev.yuzui.backend.cpu;

/** The running softmax of flash attention. */
final class Softmax {
  private Softmax() {}

  /**
   * Turns a block of scores into weights e^(score·scale − max), where max is that of all blocks so
   * far; when it rises, the weighted sum so far is scaled down. {@code state} holds max and the sum
   * of weights.
   */
  static void block(
      CpuKernels kernels, long scores, int n, float scale, long state, long acc, int cols) {
    float before = Memory.f32(state);
    float max = Math.max(before, kernels.max(scores, n) * scale);
    float sum = Memory.f32(state + 4);
    if (max > before && sum > 0) {
      float by = (float) Math.exp(before - max);
      sum *= by;
      kernels.scale(acc, by, cols);
    }
    Memory.f32(state, max);
    Memory.f32(state + 4, sum + kernels.expSum(scores, scale, max, n));
  }
}
