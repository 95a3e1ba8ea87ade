package dev.yuzui.backend.cpu;

/** Kernels of an FFN that clamps what its activation sees, see {@link dev.yuzui.spi.Ops}. */
record ClampedRowKernels(RowKernels kernels, float limit) implements RowKernels {
  /** What it is given is clamped in place. */
  @Override
  public void siluMul(long gate, long up, long out, int count) {
    for (long at = 0; at < 4L * count; at += 4) {
      Memory.f32(gate + at, Math.min(Memory.f32(gate + at), limit));
      Memory.f32(up + at, Math.max(-limit, Math.min(Memory.f32(up + at), limit)));
    }
    kernels.siluMul(gate, up, out, count);
  }

  @Override
  public void rmsNorm(long x, long weight, float eps, int count, long out) {
    kernels.rmsNorm(x, weight, eps, count, out);
  }

  @Override
  public void zero(long x, int count) {
    kernels.zero(x, count);
  }

  @Override
  public void add(long a, long b, long out, int count) {
    kernels.add(a, b, out, count);
  }

  @Override
  public void addScaled(long x, float by, long out, int count) {
    kernels.addScaled(x, by, out, count);
  }
}
