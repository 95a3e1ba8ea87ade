package dev.yuzui.spi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * Shows a {@link ProductWatcher} what products read, in a host task in front of each.
 *
 * @param names of a weight, empty if it has none
 * @param experts names of each expert's weight
 */
record WatchedOps(
    Backend backend,
    DeviceQueue queue,
    Function<Tensor, String> names,
    Function<ExpertWeights, List<String>> experts,
    ProductWatcher watcher)
    implements Ops, DelegatingCompressedOps {

  private Ops ops() {
    return queue.ops();
  }

  @Override
  public CompressedOps compressed() {
    return ops();
  }

  // ---- products ---------------------------------------------------------------------------------

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    watch(x, 0, w, 1);
    ops().matmul(x, w, out);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    watch(x, xOffset, w, heads);
    ops().matmulPerHead(x, xOffset, w, heads, out, outOffset);
  }

  private void watch(Tensor x, int offset, Tensor w, int heads) {
    String name = names.apply(w);
    if (name.isEmpty()) {
      return;
    }
    int stride = (int) x.cols() / heads;
    int count = (int) w.cols();
    queue.hostTask(
        () -> {
          float[] values = floats(x);
          for (int row = 0; row < x.rows(); row++) {
            for (int head = 0; head < heads; head++) {
              int from = (row * heads + head) * stride + offset;
              watcher.reads(name, head, row, values, from, count);
            }
          }
        });
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    List<String> weights = experts.apply(w);
    int cols = (int) x.cols();
    queue.hostTask(
        () -> {
          float[] values = floats(x);
          int[] offset = ints(dispatch.offset());
          int[] slot = ints(dispatch.slot());
          for (int e = 0; e < weights.size(); e++) {
            for (int place = offset[e]; place < offset[e + 1]; place++) {
              int row = slot[place] / dispatch.used();
              int from = (gather == Gather.BY_TOKEN ? row : place) * cols;
              watcher.reads(weights.get(e), 0, row, values, from, cols);
            }
          }
        });
    ops().groupedMatmul(x, gather, w, dispatch, out);
  }

  private float[] floats(Tensor t) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(t.byteSize(), 4);
      backend.read(t, memory);
      return memory.toArray(Dequantizer.FLOAT);
    }
  }

  private int[] ints(Tensor t) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(t.byteSize(), 4);
      backend.read(t, memory);
      return memory.toArray(Dequantizer.INT);
    }
  }

  // ---- everything else --------------------------------------------------------------------------

  @Override
  public Scratch scratch() {
    return ops().scratch();
  }

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    ops().embed(table, row, out);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    ops().rmsNorm(x, weight, eps, out);
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    ops().add(a, b, out);
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    ops().addRow(x, row);
  }

  @Override
  public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    ops().addRmsNorm(x, y, weight, eps, out);
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    ops().concat(a, b, out);
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    ops().siluMul(gate, up, out);
  }

  @Override
  public void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    ops().rope(x, xOffset, heads, table, batch, out, outOffset);
  }

  @Override
  public void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    ops().appendLatent(kv, norm, eps, table, cache, batch);
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
    ops().appendIndex(keys, norm, bias, eps, table, cache, shape, batch);
  }

  @Override
  public void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    ops().select(q, weights, keys, shape, batch, out);
  }

  @Override
  public void ropeAppend(
      Tensor q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    ops().ropeAppend(q, qOffset, heads, kv, norm, eps, table, cache, batch);
  }

  @Override
  public void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    ops().mlaDecode(q, cache, shape, batch, out);
  }

  @Override
  public void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    ops().append(k, v, table, cache, shape, batch);
  }

  @Override
  public void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    ops().attend(q, cache, shape, batch, out);
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    ops().copyPerHead(x, xOffset, count, heads, out, outOffset);
  }

  @Override
  public void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    ops().route(logits, bias, rule, batch, ids, weights);
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    ops().permute(ids, out);
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    ops().combine(y, dispatch, weights, base, out);
  }

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
    ops().topK(logits, ids, values);
  }
}
