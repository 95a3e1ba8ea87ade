package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.DeepseekConfig;
import java.util.List;
import java.util.Optional;

/** The whole model on one device. {@link ModelLoader} makes it. */
public final class DeepseekModel {
  private final DeepseekConfig config;
  private final Tensor embedding;
  private final List<TransformerBlock> blocks;
  private final Norm finalNorm;
  private final Tensor head;
  private final List<MultiTokenPredictor> predictors;
  private final Tensor ropeTable;

  DeepseekModel(
      DeepseekConfig config,
      Tensor embedding,
      List<TransformerBlock> blocks,
      Norm finalNorm,
      Tensor head,
      List<MultiTokenPredictor> predictors,
      Tensor ropeTable) {
    this.config = config;
    this.embedding = embedding;
    this.blocks = List.copyOf(blocks);
    this.finalNorm = finalNorm;
    this.head = head;
    this.predictors = List.copyOf(predictors);
    this.ropeTable = ropeTable;
  }

  public DeepseekConfig config() {
    return config;
  }

  /** cos and sin of every position, [context, R]. */
  public Tensor ropeTable() {
    return ropeTable;
  }

  /** MTP layers that are loaded. */
  public int predictors() {
    return predictors.size();
  }

  /**
   * Enqueues a step.
   *
   * @param hidden receives the state after the final norm, [T, H]
   * @param logits of the rows the batch asks for, [M, vocab]; rows() may be 0
   */
  public void forward(Step s, Tensor hidden, Tensor logits) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor x = s.rows("residual", config.hiddenSize());
      s.ops().embed(embedding, s.batch().token(), x);
      s.tap().at(0, Point.EMBEDDING, x);
      Residual residual = new Residual(s, x);
      for (TransformerBlock block : blocks) {
        block.forward(s, residual);
      }
      int last = blocks.size() - 1;
      residual.norm(s, last, Point.FINAL_NORM, finalNorm, hidden);
      if (logits.rows() > 0) {
        project(s, last, s.wanted(hidden), head, logits);
      }
    }
  }

  /**
   * Enqueues MTP layer {@code depth} over the states of {@link #forward} or of the layer before;
   * see {@link MultiTokenPredictor}.
   *
   * @param some where not all rows are wanted, in their order: those that are
   * @param state of the rows wanted, [M, H]
   * @param logits [M, vocab]
   */
  public void predict(
      Step s, Optional<StepBatch> some, int depth, Tensor hidden, Tensor state, Tensor logits) {
    MultiTokenPredictor predictor = predictors.get(depth);
    predictor.forward(s, some, hidden, state);
    if (logits.rows() > 0) {
      project(s, predictor.block().layer(), state, predictor.head(), logits);
    }
  }

  private static void project(Step s, int layer, Tensor states, Tensor head, Tensor logits) {
    s.ops().matmul(states, head, logits);
    s.tap().at(layer, Point.LOGITS, logits);
  }
}
