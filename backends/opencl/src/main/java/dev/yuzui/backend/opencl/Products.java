package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;

/** Products of rows and weights: which kernel, and how many work-groups. */
final class Products {
  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;

  Products(OpenClBackend backend, OpenClScratch scratch, Launch launch) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
  }

  /** out[t, h, outOffset + n] = Σk x[t, h, xOffset + k]·w[h·n' + n, k]; one head is a matmul. */
  void dense(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    throw new UnsupportedOperationException("dense" + backend + scratch + launch);
  }

  /** out = silu(x·gateᵀ)·(x·upᵀ) */
  void gated(Tensor x, Tensor gate, Tensor up, Tensor out) {
    throw new UnsupportedOperationException("gated");
  }

  void grouped(Tensor x, Ops.Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    throw new UnsupportedOperationException("grouped");
  }

  /** out[i] = silu(x·gate[e]ᵀ)·(x·up[e]ᵀ) for each sorted place i of expert e, rows by token. */
  void groupedGated(Tensor x, ExpertWeights gate, ExpertWeights up, Dispatch dispatch, Tensor out) {
    throw new UnsupportedOperationException("groupedGated");
  }
}
