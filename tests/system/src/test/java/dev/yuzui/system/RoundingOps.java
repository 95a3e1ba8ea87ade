package dev.yuzui.system;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.DelegatingCompressedOps;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * Products with weights in blocks take x rounded: of each block, q = round(x·127/max|x|), and the
 * product sees q·max|x|/127. Everything else is exact, composite ops are composed.
 */
record RoundingOps(Backend backend, DeviceQueue queue) implements Ops, DelegatingCompressedOps {
  /** From this many tokens on the CPU backend rebuilds keys and values, from weights in F32. */
  private static final int EXPAND_TOKENS = 16;

  private Ops exact() {
    return queue.ops();
  }

  @Override
  public CompressedOps compressed() {
    return exact();
  }

  // ---- what rounds ------------------------------------------------------------------------------

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    matmulPerHead(x, 0, w, 1, out, 0);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    try (var frame = scratch().frame()) {
      Tensor rounded = rounded(x, xOffset, w.encoding(), (int) w.cols(), heads);
      exact().matmulPerHead(rounded, xOffset, w, heads, out, outOffset);
    }
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    try (var frame = scratch().frame()) {
      Tensor rounded = rounded(x, 0, w.encoding(), (int) w.cols(), 1);
      exact().groupedMatmul(rounded, gather, w, dispatch, out);
    }
  }

  /** x itself where the weights are no blocks. */
  private Tensor rounded(Tensor x, int offset, Encoding weights, int cols, int heads) {
    if (!(weights instanceof Encoding.Block block)) {
      return x;
    }
    Tensor to = scratch().f32("rounded", x.rows(), x.cols());
    queue.hostTask(
        () -> {
          try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(x.byteSize(), 4);
            backend.read(x, memory);
            float[] values = memory.toArray(ValueLayout.JAVA_FLOAT);
            int stride = (int) x.cols() / heads;
            for (int head = 0; head < x.rows() * heads; head++) {
              int from = head * stride + offset;
              for (int c = 0; c < cols; c += block.blockElements()) {
                round(values, from + c, block.blockElements());
              }
            }
            memory.copyFrom(MemorySegment.ofArray(values));
            backend.write(to, memory);
          }
        });
    return to;
  }

  private static void round(float[] x, int from, int count) {
    float most = 0;
    for (int i = from; i < from + count; i++) {
      most = Math.max(most, Math.abs(x[i]));
    }
    float scale = most > 0 ? 127 / most : 0;
    for (int i = from; i < from + count; i++) {
      x[i] = (float) Math.rint(x[i] * scale) * (most / 127);
    }
  }

  @Override
  public void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    if (q.rows() < EXPAND_TOKENS) {
      mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
    } else {
      exact().mlaPrefill(q, cache, keyUp, valueUp, shape, batch, out);
    }
  }

  // ---- what does not ----------------------------------------------------------------------------

  @Override
  public Scratch scratch() {
    return exact().scratch();
  }

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    exact().embed(table, row, out);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    exact().rmsNorm(x, weight, eps, out);
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    exact().add(a, b, out);
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    exact().concat(a, b, out);
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    exact().siluMul(gate, up, out);
  }

  @Override
  public void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    exact().rope(x, xOffset, heads, table, batch, out, outOffset);
  }

  @Override
  public void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    exact().appendLatent(kv, norm, eps, table, cache, batch);
  }

  @Override
  public void appendIndex(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    exact().appendIndex(keys, norm, bias, eps, table, cache, shape, batch);
  }

  @Override
  public void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    exact().select(q, weights, keys, shape, batch, out);
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    exact().addRow(x, row);
  }

  @Override
  public void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    exact().append(k, v, table, cache, shape, batch);
  }

  @Override
  public void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    exact().attend(q, cache, shape, batch, out);
  }

  @Override
  public void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    exact().mlaDecode(q, cache, shape, batch, out);
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    exact().copyPerHead(x, xOffset, count, heads, out, outOffset);
  }

  @Override
  public void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    exact().route(logits, bias, rule, batch, ids, weights);
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    exact().permute(ids, out);
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    exact().combine(y, dispatch, weights, base, out);
  }

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
    exact().topK(logits, ids, values);
  }
}
