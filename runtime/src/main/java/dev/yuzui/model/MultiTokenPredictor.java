package dev.yuzui.model;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.DeepseekConfig;
import java.util.Optional;

/**
 * Predicts the token after the next: the embedding of the next token and the state before it, each
 * normalised, in a {@link Projection}; one block; its own final norm. DeepSeek-V3 report §2.2. The
 * state is the main model's after its final norm, or all its streams, or, for a chained draft, this
 * layer's own.
 *
 * @param embedding [vocab, H], its own or the main model's
 * @param hyper of several streams
 * @param headInput what the head reads
 * @param head [vocab, H], its own or the main model's
 */
record MultiTokenPredictor(
    Tensor embedding,
    Norm embeddingNorm,
    Norm hiddenNorm,
    Projection projection,
    TransformerBlock block,
    Optional<HyperShape> hyper,
    Residual.Input headInput,
    Tensor head) {

  /** How both become what the block begins with. */
  sealed interface Projection {
    /** W·[embedding; state], as the released eh_proj expects them. w [H, 2H]. */
    record Joint(Tensor w) implements Projection {}

    /** W·embedding, the same for every stream, + W'·state. Both [H, H]; DeepSeek-V4. */
    record Apart(Tensor embedding, Tensor state) implements Projection {}
  }

  /**
   * Row t's token is the one that follows the token whose state is hidden[t]; its position is that
   * of hidden[t], which keeps the cache without a gap at 0 (RoPE sees differences only).
   *
   * <p>The rows that are not wanted leave their entries in the cache and go no further: nothing but
   * the entries of earlier rows goes into a row.
   *
   * @param some where not all rows are wanted, in their order: the step of those that are
   * @param hidden [T, S·H]
   * @param state receives the layer's state of the rows wanted, [M, S·H]
   * @param normed receives what the head sees of it, [M, H]; {@code state} itself of one stream
   */
  void forward(
      Step s,
      Optional<Step> some,
      DeepseekConfig config,
      Tensor hidden,
      Tensor state,
      Tensor normed) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor start = start(s, hidden);
      s.tap().at(block.layer(), Point.MTP_INPUT, start);
      if (state.rows() == 0) {
        block.append(s, Residual.of(s, start, hyper));
        return;
      }
      Step wanted = some.orElse(s).choosing(config);
      Residual all = Residual.of(s, start, hyper);
      Residual x = some.isPresent() ? all.room(wanted) : all;
      if (some.isPresent()) {
        block.forward(s, all, wanted, x);
      } else {
        block.forward(wanted, x);
      }
      x.norm(wanted, block.layer(), Point.FINAL_NORM, headInput, normed);
      if (hyper.isPresent()) {
        wanted.ops().copyPerHead(x.state(normed), 0, (int) state.cols(), 1, state, 0);
      }
    }
  }

  private Tensor start(Step s, Tensor hidden) {
    int width = (int) hiddenNorm.weight().cols();
    Tensor e = s.rows("mtp_embedding", width);
    s.ops().embed(embedding, s.batch().token(), e);
    return switch (projection) {
      case Projection.Joint(Tensor w) -> {
        Tensor both = s.rows("mtp_both", 2L * width);
        s.ops().concat(s.norm(embeddingNorm, e), s.norm(hiddenNorm, hidden), both);
        yield s.matmul(both, w);
      }
      case Projection.Apart(Tensor ofEmbedding, Tensor ofState) -> {
        Tensor start = s.rows("mtp_start", hidden.cols());
        s.repeat(s.matmul(s.norm(embeddingNorm, e), ofEmbedding), start);
        Tensor streams = hidden.reshaped(hidden.rows() * (hidden.cols() / width), width);
        Tensor of = s.scratch().f32("mtp_streams", streams.rows(), width);
        s.ops().rmsNorm(streams, hiddenNorm.weight(), hiddenNorm.eps(), of);
        Tensor projected = s.matmul(of, ofState).reshaped(hidden.rows(), hidden.cols());
        s.ops().add(start, projected, start);
        yield start;
      }
    };
  }
}
