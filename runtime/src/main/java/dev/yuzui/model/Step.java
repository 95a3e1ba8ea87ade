package dev.yuzui.model;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.DeepseekConfig;
import java.util.Optional;

/**
 * What a layer needs while a step is enqueued.
 *
 * @param device where it is enqueued
 * @param cache KV caches, one per layer
 * @param ropeTable [context, R]
 * @param chosen what sparse attention looks at, from the layer that chose on
 * @param course to other devices
 * @param tap {@link Tap#none()} but for measurements
 */
public record Step(
    int device,
    Ops ops,
    StepBatch batch,
    KvCacheStore cache,
    Tensor ropeTable,
    AttentionForm form,
    Optional<Selection> chosen,
    Course course,
    Tap tap) {

  /** Every step has room for so many rows of logits; more only where it may have to: see below. */
  public static final int OUTPUTS = 64;

  /** From this many tokens of one sequence on, a step counts as reading a prompt. */
  public static final int PREFILL_TOKENS = 16;

  /** Which of the forms of latent attention a step uses. */
  public enum AttentionForm {
    /**
     * Queries go into the latent space: for steps of few tokens per sequence, bound by the cache's
     * bytes.
     */
    ABSORBED,
    /** The backend may rebuild keys and values: for prompts, bound by arithmetic. */
    PREFILL,
    /**
     * {@link #ABSORBED} over the entries that an indexer chose: where a token sees more than it may
     * look at.
     */
    SPARSE,
    /** The same for prompts, where the backend may go over what was not chosen and leave it out. */
    SPARSE_PREFILL
  }

  /**
   * Rows of logits that steps have room for: they are wide, so no more than {@link #OUTPUTS} or,
   * where more sequences may run, one for each.
   *
   * @param tokens of a step at most
   * @param sequences that may be open
   */
  public static int outputs(int tokens, int sequences) {
    return Math.max(OUTPUTS, Math.min(tokens, sequences));
  }

  /** The same with other rows. */
  Step with(StepBatch other) {
    return with(other, form);
  }

  /** The same with other rows, whose attention has a form of its own. */
  public Step with(StepBatch other, AttentionForm form) {
    return new Step(device, ops, other, cache, ropeTable, form, Optional.empty(), course, tap);
  }

  /** The same with room for what its layers choose, until the scratch's frame is closed. */
  Step choosing(DeepseekConfig config) {
    if (form.compareTo(AttentionForm.SPARSE) < 0 || config.topK() == Integer.MAX_VALUE) {
      return this;
    }
    int most = Math.min(config.topK(), cache.pagesPerSequence() * cache.pageTokens());
    Selection room =
        new Selection(
            scratch().i32("chosen_rows", tokens(), most),
            scratch().i32("chosen_sequence", 1, tokens()),
            scratch().i32("chosen_count", 1, tokens()));
    return new Step(device, ops, batch, cache, ropeTable, form, Optional.of(room), course, tap);
  }

  Selection selection() {
    return chosen.orElseThrow(() -> new IllegalStateException("the step chooses nothing"));
  }

  int tokens() {
    return batch.tokens();
  }

  Scratch scratch() {
    return ops.scratch();
  }

  /** Writes x [T, H] into {@code out} [T, n·H], n times beside each other. */
  void repeat(Tensor x, Tensor out) {
    int cols = (int) x.cols();
    for (int at = 0; at < out.cols(); at += cols) {
      ops.copyPerHead(x, 0, cols, 1, out, at);
    }
  }

  /** [T, cols] of scratch. */
  Tensor rows(String name, long cols) {
    return scratch().f32(name, tokens(), cols);
  }

  /** The rows of x [T, cols] that the batch asks for, [M, cols]. */
  Tensor wanted(Tensor x) {
    Tensor out = scratch().f32("output_rows", batch.outputs(), x.cols());
    ops.embed(x, batch.outputRow(), out);
    return out;
  }

  Tensor norm(Norm norm, Tensor x) {
    Tensor out = rows(norm.weight().name(), x.cols());
    ops.rmsNorm(x, norm.weight(), norm.eps(), out);
    return out;
  }

  /** x·wᵀ, named after the weight. */
  Tensor matmul(Tensor x, Tensor w) {
    Tensor out = scratch().f32(w.name(), x.rows(), w.rows());
    ops.matmul(x, w, out);
    return out;
  }
}
