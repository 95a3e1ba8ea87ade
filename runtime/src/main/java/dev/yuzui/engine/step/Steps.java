package dev.yuzui.engine.step;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.model.Step;
import dev.yuzui.model.Step.AttentionForm;
import dev.yuzui.parallel.DeviceFailure;
import java.util.List;

/** What the loop asks of a model: see {@link ModelRunner}, which it is but for tests. */
public interface Steps {
  /** Tokens of a step at most. */
  int maxTokens();

  /** Rows of logits at most that a step makes of the sequences of one rank. */
  int maxOutputs();

  /** Nanoseconds since the start in which the caller waited for devices. */
  default long deviceNanos() {
    return 0;
  }

  /** The form of attention that suits so many tokens of a sequence behind {@code start} others. */
  default AttentionForm form(int start, int tokens) {
    return tokens >= Step.PREFILL_TOKENS ? AttentionForm.PREFILL : AttentionForm.ABSORBED;
  }

  /** Appends the chunks to their sequences and picks candidates of the wanted rows. */
  void run(List<Chunk> chunks, int candidates);

  /** The candidates of row {@code index} of the last step. */
  BestTokens best(int index);

  /**
   * Goes on without a device that failed; sequences of its rank are lost.
   *
   * @throws EngineException if that cannot be
   */
  default void lose(DeviceFailure failure) {
    throw failure;
  }

  /** Copies row {@code index} of the last step's logits. */
  void logits(int index, float[] out);
}
