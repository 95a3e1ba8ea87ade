package dev.yuzui.spi;

import java.util.Optional;

/**
 * What DeepSeek-V4 computes beside the other ops: hyper-connections, attention over a window and
 * over compressed blocks, gates that go by the token. {@link Ops} says what holds for every op.
 */
public interface CompressedOps {

  // ---- hyper-connections ------------------------------------------------------------------------

  /**
   * What a layer reads of the streams: out[t] = Σi pre[t,i]·x[t,i], and in {@code mix} what it is
   * written back by. With z = mixes[t] / √(mean(x[t]²) + normEps), over all streams:
   *
   * <ul>
   *   <li>pre[i] = σ(z[i]·scale[0] + base[i]) + eps
   *   <li>post[i] = 2σ(z[S+i]·scale[1] + base[S+i])
   *   <li>res[i,j]: softmax over j of z[2S+S·i+j]·scale[2] + base[2S+S·i+j], plus eps, its columns
   *       divided by their sums + eps; then {@code iterations} − 1 times rows and columns are
   * </ul>
   *
   * @param x [T, S·H], one stream behind the other
   * @param mixes [T, S·(2+S)], x·fnᵀ; or [T, S], of which only pre is made
   * @param base F32 [1, mixes.cols]
   * @param scale F32 [1, 3], or [1, 1]
   * @param mix [T, S·(1+S)]: post, then res by rows; empty where there is only pre
   * @param out [T, H]
   */
  void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out);

  /**
   * x[t,j] = post[t,j]·y[t] + Σi res[t,i,j]·x[t,i].
   *
   * @param x [T, S·H]
   * @param y [T, H]
   * @param mix of {@link #readStreams}
   */
  void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape);

  // ---- compressed attention ---------------------------------------------------------------------

  /** out[i] = length[i] / tokens, rounded down; I32 [1, T]. */
  void wholeBlocks(Tensor length, int tokens, Tensor out);

  /** Puts x [T, W] where the step's rows of {@code ring} lie, in its encoding. */
  void stage(Tensor x, Ring ring);

  /**
   * Puts x [T, W] into the rings of the rows' sequences: each row that is no padding and that none
   * of its sequence in the step comes to lie upon.
   */
  void keep(Tensor x, Ring ring, StepBatch batch);

  /**
   * Keeps a row for each block of r tokens that a row of the step completes: Σp softmax(g[p] +
   * ape[p % r])·u[p] over the positions p of the block, by element; then RMS-normalised, its last R
   * elements rotated for the block's first position, rounded. Blocks may overlap: then u and g are
   * twice as wide, and a block has the first halves of the one before too, where there is one.
   *
   * @param x [T, 2·c·D], [u; g] of the step's rows, c = 2 where blocks overlap and 1 elsewhere
   * @param ape F32 [r, c·D]
   * @param norm F32 [1, D]
   * @param table F32 [positions, R], as for {@link Ops#rope}
   * @param state [u; g] of the tokens before the step
   * @param blocks of D numbers an entry; block i is entry i of its sequence
   */
  void appendBlock(
      Tensor x,
      Tensor ape,
      Tensor norm,
      float eps,
      Tensor table,
      Rounding rounding,
      Ring state,
      KvCache blocks,
      StepBatch batch);

  /** Rounds each of a row's heads, the last {@code rope} elements of which rotate, in place. */
  void round(Tensor x, int heads, int rope, Rounding rounding);

  /**
   * Blocks that attention can look at.
   *
   * @param entries a row each, of the layer's tensor
   * @param seen I32 [1, T], how many of its sequence each row sees
   */
  record Blocks(KvCache entries, Tensor seen) {}

  /**
   * The rows of a layer's tensor that each row of a step looks at: the last {@code window} tokens,
   * itself included, from the step and from the ring; then all blocks it sees, or those chosen.
   *
   * @param all empty for layers without blocks, and where some are chosen
   * @param chosen of the blocks, by {@link Ops#select}
   * @param out wide enough for all that a row may look at
   */
  void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out);

  /**
   * {@link Ops#mlaDecode} with a sink: the score sinks[n] stands beside those of head n's entries
   * and has no value, so that weights need not sum to one. A row that sees nothing gives zeros.
   *
   * @param sinks F32 [1, N], not scaled
   */
  void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out);

  // ---- experts ----------------------------------------------------------------------------------

  /**
   * {@link Ops#route} to experts that a table names for the row's token.
   *
   * @param table I32 [vocab, K]
   */
  void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights);

  /** out = silu(min(gate, limit)) · clamp(up, −limit, limit); {@code out} may be {@code gate}. */
  void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out);
}
