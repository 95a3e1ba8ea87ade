package dev.yuzui.spi;

import java.util.Optional;

/**
 * What a device computes for a step. Every method enqueues; none reads back, blocks, allocates or
 * takes a per-step value. Activations are F32 unless said otherwise; {@code out} never overlaps an
 * input unless said otherwise. Methods with bodies are compositions: a backend overrides the ones
 * it can fuse.
 */
public interface Ops extends CompressedOps {

  /** Memory of the step that composite ops may use. */
  Scratch scratch();

  // ---- rows -------------------------------------------------------------------------------------

  /** out[t] = table[row[t]]. table [rows, H] in any encoding; row I32 [1, T]; out [T, H]. */
  void embed(Tensor table, Tensor row, Tensor out);

  /**
   * out[t] = x[t] / √(mean(x[t]²) + eps) · weight. x, out [T, H] (may be one tensor); weight F32
   * [1, H].
   */
  void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out);

  /** out = a + b, element by element; {@code out} may be {@code a} or {@code b}. */
  void add(Tensor a, Tensor b, Tensor out);

  /** x[t] = x[t] + row. x [T, C]; row F32 [1, C]. */
  void addRow(Tensor x, Tensor row);

  /** x = x + y, then out = rmsNorm(x). x, y, out [T, H], all apart; weight F32 [1, H]. */
  default void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    add(x, y, x);
    rmsNorm(x, weight, eps, out);
  }

  /** out[t] = [a[t]; b[t]]. a [T, A], b [T, B], out [T, A+B]. */
  void concat(Tensor a, Tensor b, Tensor out);

  /** out = silu(gate) · up with silu(z) = z / (1 + e^−z); {@code out} may be {@code gate}. */
  void siluMul(Tensor gate, Tensor up, Tensor out);

  // ---- products ---------------------------------------------------------------------------------

  /** out[t,n] = Σk x[t,k]·w[n,k]. x [T, k], w [n, k] in any encoding, out [T, n]. */
  void matmul(Tensor x, Tensor w, Tensor out);

  /**
   * A product per head: out[t, h, outOffset + n] = Σk x[t, h, xOffset + k] · w[h·n' + n, k] with n'
   * = w.rows/heads and k &lt; w.cols. The head strides are x.cols/heads and out.cols/heads;
   * elements outside the written range stay.
   */
  void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset);

  // ---- attention --------------------------------------------------------------------------------

  /**
   * Rotates pairs (2i, 2i+1) of R elements per head: (a, b) → (a·cos − b·sin, a·sin + b·cos). Reads
   * x[t, h, xOffset…], writes out[t, h, outOffset…]; x and out may be one tensor with equal
   * offsets.
   *
   * @param table F32 [positions, R]: cos and sin of pair i at columns 2i and 2i+1, YaRN and its
   *     factor included
   */
  void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset);

  /**
   * Stores kv[t] = [latent; key] of each row that is no padding at its entry of the cache: the
   * latent RMS-normalised with {@code norm} and {@code eps}, the key rotated. kv [T, Lkv+R].
   */
  void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch);

  /**
   * {@link #rope} of q in place, from {@code qOffset} of each head on, and {@link #appendLatent} of
   * kv.
   */
  default void ropeAppend(
      Tensor q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    rope(q, qOffset, heads, table, batch, q, qOffset);
    appendLatent(kv, norm, eps, table, cache, batch);
  }

  /**
   * Absorbed attention: out[t,n] = softmax(q[t,n]·[c;k]ᵀ·scale)·c over the first kvLength[t]
   * entries of t's sequence. q [T, N·(Lkv+R)], out [T, N·Lkv]. A row with kvLength 0 gives zeros.
   * DeepSeek-V2 report §2.1.
   */
  void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out);

  /**
   * Attention in either form: absorbed (queries carried into the latent space; wins when few tokens
   * share an entry) or expanded (keys and values rebuilt per head, k[s,n] = [W_UK c; k_rope],
   * v[s,n] = W_UV c; wins for long prompts). This body is the absorbed form.
   *
   * @param q [T, N·(P+R)], the rope part already rotated
   * @param keyUp W_UK, [N·Lkv, P]: row n·Lkv + l holds W_UK[n, ·, l]
   * @param valueUp W_UV, [N·V, Lkv]
   * @param out [T, N·V]
   */
  default void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
  }

  /** The absorbed form, composed; arguments as in {@link #mlaPrefill}. */
  default void mlaAbsorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    try (var frame = scratch().frame()) {
      Tensor absorbed = scratch().f32("q_absorbed", q.rows(), (long) shape.heads() * shape.entry());
      Tensor latent = scratch().f32("o_latent", q.rows(), (long) shape.heads() * shape.kvLora());
      matmulPerHead(q, 0, keyUp, shape.heads(), absorbed, 0);
      copyPerHead(q, shape.nope(), shape.rope(), shape.heads(), absorbed, shape.kvLora());
      mlaDecode(absorbed, cache, shape, batch, latent);
      matmulPerHead(latent, 0, valueUp, shape.heads(), out, 0);
    }
  }

  /**
   * Stores [k[t,g]; v[t,g]] for each key and value head g of each row that is no padding at its
   * entry of the cache, the keys rotated. k, v [T, G·D].
   *
   * @param table F32 [positions, D], as for {@link #rope}
   */
  void append(Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch);

  /**
   * Grouped-query attention: out[t,n] = Σs softmax(q[t,n]·k[s,g]·scale)·v[s,g] with g = n/(N/G),
   * over the first kvLength[t] entries s of t's sequence. q [T, N·D], already rotated; out [T,
   * N·D]. A row with kvLength 0 gives zeros.
   */
  void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out);

  // ---- sparse attention -------------------------------------------------------------------------

  /**
   * Stores the indexer's key of each row that is no padding at its entry of the cache:
   * layerNorm(keys[t]) = (k − mean) / √(mean((k − mean)²) + eps) · norm + bias, of which the first
   * R elements rotate; spread, where the shape says so. keys [T, I].
   *
   * @param norm F32 [1, I], as {@code bias}
   * @param table F32 [positions, R], as for {@link #rope}
   * @param cache of I numbers an entry
   */
  void appendIndex(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch);

  /**
   * Chooses the entries that each row looks at: of the first kvLength[t] of its sequence the K with
   * the largest scores Σh weights[t,h]·relu(q[t,h]·k[s])·scale, ties to the earlier entry; all of
   * them where there are no more than K. NaN counts as −∞.
   *
   * @param q [T, Hi·I], the first R elements of each head already rotated
   * @param weights [T, Hi]
   * @param keys those of {@link #appendIndex}
   */
  void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out);

  /**
   * {@link #mlaPrefill} over what was chosen for each row. This body gathers it, in the absorbed
   * form; a backend may go over all that rows see and leave the others out, where that is less
   * work.
   *
   * @param chosen of {@link #select}, with the same pages and batch
   */
  default void mlaChosen(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Selection chosen,
      Tensor out) {
    mlaAbsorbed(q, chosen.entries(cache), keyUp, valueUp, shape, chosen.batch(batch), out);
  }

  /** out[t, h, outOffset + i] = x[t, h, xOffset + i] for i &lt; count. */
  void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset);

  // ---- experts ----------------------------------------------------------------------------------

  /**
   * Picks experts, see {@link GateRule}.
   *
   * @param logits [T, E]
   * @param bias F32 [1, E], added for the selection alone
   * @param ids I32 [T, K], best first; −1 in padding rows
   * @param weights [T, K]; 0 in padding rows
   */
  void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights);

  /** {@link #route} of the logits x·wᵀ. x [T, H], w [E, H]. */
  default void gate(
      Tensor x,
      Tensor w,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    try (var frame = scratch().frame()) {
      Tensor logits = scratch().f32("router_logits", x.rows(), w.rows());
      matmul(x, w, logits);
      route(logits, bias, rule, batch, ids, weights);
    }
  }

  /** Sorts the slots of {@code ids} (I32 [T, K]) by expert into {@code out}; −1 is no expert. */
  void permute(Tensor ids, Dispatch out);

  /** How {@link #groupedMatmul} finds the input of a sorted place. */
  enum Gather {
    /** x has a row per token; place i reads row slot[i] / K. */
    BY_TOKEN,
    /** x has a row per sorted place. */
    IN_PLACE
  }

  /**
   * out[i] = x[row of i] · w[e]ᵀ for each sorted place i in use of expert e. out [T·K, n]; other
   * rows stay.
   */
  void groupedMatmul(Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out);

  /**
   * out[t] = base[t] + Σk weights[t,k] · y[place[t·K+k]], summed in order of k, those of no place
   * left out; without a base, 0 stands for it. y [T·K, H]; base [T, H] may be {@code out}.
   */
  void combine(Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out);

  /** out[i] = down(silu(gate x)·(up x)) for each sorted place. x [T, H], out [T·K, H]. */
  default void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    try (var frame = scratch().frame()) {
      Tensor g = scratch().f32("expert_gate", dispatch.slots(), gate.rows());
      Tensor u = scratch().f32("expert_up", dispatch.slots(), up.rows());
      groupedMatmul(x, Gather.BY_TOKEN, gate, dispatch, g);
      groupedMatmul(x, Gather.BY_TOKEN, up, dispatch, u);
      siluMul(g, u, g);
      groupedMatmul(g, Gather.IN_PLACE, down, dispatch, out);
    }
  }

  /** {@link #expertFfn} of experts that clamp, see {@link #clampedSiluMul}; ∞ clamps nothing. */
  default void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      float limit,
      Dispatch dispatch,
      Tensor out) {
    if (limit == Float.POSITIVE_INFINITY) {
      expertFfn(x, gate, up, down, dispatch, out);
      return;
    }
    try (var frame = scratch().frame()) {
      Tensor g = scratch().f32("expert_gate", dispatch.slots(), gate.rows());
      Tensor u = scratch().f32("expert_up", dispatch.slots(), up.rows());
      groupedMatmul(x, Gather.BY_TOKEN, gate, dispatch, g);
      groupedMatmul(x, Gather.BY_TOKEN, up, dispatch, u);
      clampedSiluMul(g, u, limit, g);
      groupedMatmul(g, Gather.IN_PLACE, down, dispatch, out);
    }
  }

  // ---- sampling ---------------------------------------------------------------------------------

  /** Most of a row that {@link #topK} picks. */
  int MAX_TOP_K = 128;

  /**
   * The k largest numbers of each row, largest first, ties to the lower column; NaN counts and
   * comes back as −∞.
   *
   * @param logits [M, V]
   * @param ids I32 [M, k], their columns; 1 ≤ k ≤ min(V, {@value #MAX_TOP_K})
   * @param values [M, k]
   */
  void topK(Tensor logits, Tensor ids, Tensor values);

  // ---- fused forms ------------------------------------------------------------------------------

  /** out = silu(x·gateᵀ)·(x·upᵀ). x [T, H], gate and up [F, H], out [T, F]. */
  default void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    try (var frame = scratch().frame()) {
      Tensor u = scratch().f32("mlp_up", x.rows(), up.rows());
      matmul(x, gate, out);
      matmul(x, up, u);
      siluMul(out, u, out);
    }
  }

  /** {@link #gatedMlp} of an FFN that clamps, see {@link #clampedSiluMul}; ∞ clamps nothing. */
  default void gatedMlp(Tensor x, Tensor gate, Tensor up, float limit, Tensor out) {
    if (limit == Float.POSITIVE_INFINITY) {
      gatedMlp(x, gate, up, out);
      return;
    }
    try (var frame = scratch().frame()) {
      Tensor u = scratch().f32("mlp_up", x.rows(), up.rows());
      matmul(x, gate, out);
      matmul(x, up, u);
      clampedSiluMul(out, u, limit, out);
    }
  }

  /** out = rmsNorm(x)·wᵀ. */
  default void rmsNormMatmul(Tensor x, Tensor norm, float eps, Tensor w, Tensor out) {
    try (var frame = scratch().frame()) {
      Tensor normed = scratch().f32("normed", x.rows(), x.cols());
      rmsNorm(x, norm, eps, normed);
      matmul(normed, w, out);
    }
  }
}
