package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.DeepseekConfig;
import java.util.Optional;

/**
 * Predicts the token after the next: x = W·[norm(embed(next token)); norm(h)], one block, its own
 * final norm. DeepSeek-V3 report §2.2; the released eh_proj expects the embedding first. h is the
 * main model's state after its final norm, or, for a chained draft, this layer's own output state.
 *
 * @param projection [H, 2H]
 * @param embedding [vocab, H], its own or the main model's
 * @param head [vocab, H], its own or the main model's
 */
record MultiTokenPredictor(
    Tensor embedding,
    Norm embeddingNorm,
    Norm hiddenNorm,
    Tensor projection,
    TransformerBlock block,
    Norm norm,
    Tensor head) {

  /**
   * Row t's token is the one that follows the token whose state is hidden[t]; its position is that
   * of hidden[t], which keeps the cache without a gap at 0 (RoPE sees differences only).
   *
   * <p>The rows that are not wanted leave their entries in the cache and go no further: nothing but
   * the entries of earlier rows goes into a row.
   *
   * @param some where not all rows are wanted, in their order: those that are
   * @param hidden [T, H]
   * @param state receives the layer's state of the rows wanted after its norm, [M, H]
   */
  void forward(
      Step s, Optional<StepBatch> some, DeepseekConfig config, Tensor hidden, Tensor state) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor e = s.rows("mtp_embedding", hidden.cols());
      s.ops().embed(embedding, s.batch().token(), e);
      Tensor both = s.rows("mtp_both", 2 * hidden.cols());
      s.ops().concat(s.norm(embeddingNorm, e), s.norm(hiddenNorm, hidden), both);
      Tensor start = s.matmul(both, projection);
      s.tap().at(block.layer(), Point.MTP_INPUT, start);
      if (state.rows() == 0) {
        block.append(s, start);
        return;
      }
      Step wanted = some.map(s::with).orElse(s).choosing(config);
      Residual x = new Residual(wanted, some.isPresent() ? s.wanted(start) : start);
      if (some.isPresent()) {
        block.forward(s, start, wanted, x);
      } else {
        block.forward(wanted, x);
      }
      x.norm(wanted, block.layer(), Point.FINAL_NORM, norm, state);
    }
  }
}
