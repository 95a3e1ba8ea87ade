package dev.yuzui.backend.opencl;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/** Attention over the latent cache: which kernels, and how the entries are split. */
final class Attention {
  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;

  Attention(OpenClBackend backend, OpenClScratch scratch, Launch launch) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
  }

  void decode(Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    throw new UnsupportedOperationException("decode" + backend + scratch + launch);
  }

  /** Whether {@link #prefill}, the expanded form, is there for these and quicker. */
  boolean expands(Tensor q, LatentCache cache, Tensor keyUp, Tensor valueUp, MlaShape shape) {
    return false;
  }

  void prefill(
      Tensor q,
      LatentCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    throw new UnsupportedOperationException("prefill");
  }
}
