package dev.yuzui.backend.cpu;

/** Loops over rows of F32, on addresses: one thread, no allocation, no checks. */
interface RowKernels {
  /** out = x / √(mean(x²) + eps) · weight; x and out may be one. */
  void rmsNorm(long x, long weight, float eps, int count, long out);

  void zero(long x, int count);

  void add(long a, long b, long out, int count);

  /** out = silu(gate) · up. */
  void siluMul(long gate, long up, long out, int count);

  /** out = out + by · x. */
  void addScaled(long x, float by, long out, int count);
}
