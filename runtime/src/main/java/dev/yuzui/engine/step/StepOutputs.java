package dev.yuzui.engine.step;

import dev.yuzui.engine.step.StepInputs.Allocator;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What comes out of a step: logits, and the best of them, in device memory and read from it. */
final class StepOutputs {
  /** So many of a row's logits are picked at least, when it is more than one: few recordings. */
  private static final int BEST = 64;

  private final Backend backend;
  private final int vocab;
  private final Tensor logits;
  private final MemorySegment logitsRow;
  private final Tensor best;
  private final MemorySegment bestStaging;

  // of the last step
  private int wanted;
  private int rows;
  private int picked;
  private boolean bestRead;

  /**
   * @param mostRows of logits of a step
   * @param allocator of device memory
   * @param arena of host memory
   */
  StepOutputs(Backend backend, int vocab, int mostRows, Allocator allocator, Arena arena) {
    this.backend = backend;
    this.vocab = vocab;
    logits = allocator.allocate("logits", Encoding.F32, mostRows, vocab);
    logitsRow = arena.allocate(4L * vocab, 64);
    int most = Math.min(Ops.MAX_TOP_K, vocab);
    best = allocator.allocate("best_logits", Encoding.I32, 2L * mostRows, most);
    bestStaging = arena.allocate(best.byteSize(), 64);
  }

  /**
   * A step begins.
   *
   * @param wanted rows of logits
   * @param rows of logits that it makes: those, and what its recording has besides
   * @param candidates of each row that are to be picked; 0 for none
   * @param tokens that a row has logits of
   * @return how many of each row it picks
   */
  int begin(int wanted, int rows, int candidates, int tokens) {
    this.wanted = wanted;
    this.rows = rows;
    int some = candidates <= 1 ? candidates : candidates <= BEST ? BEST : Ops.MAX_TOP_K;
    picked = wanted == 0 ? 0 : Math.min(some, tokens);
    bestRead = false;
    return picked;
  }

  /** Where a step leaves them, [rows, tokens]. */
  Tensor logits(int rows, int tokens) {
    return new Tensor("logits", logits.buffer(), 0, Encoding.F32, rows, tokens);
  }

  Tensor bestIds(int rows, int picked) {
    return new Tensor("best_ids", best.buffer(), 0, Encoding.I32, rows, picked);
  }

  /** Behind the ids, so that both are read at once. */
  Tensor bestLogits(int rows, int picked) {
    long behind = bestIds(rows, picked).byteSize();
    return new Tensor("best_logits", best.buffer(), behind, Encoding.F32, rows, picked);
  }

  /** Rows of logits that were wanted of the last step. */
  int wanted() {
    return wanted;
  }

  /**
   * Copies row {@code index} of the last step's logits into {@code out} [vocab]; of a step that
   * made those of all tokens.
   */
  void read(int index, float[] out) {
    backend.read(logits.slice("logits", index, 1), logitsRow);
    MemorySegment.copy(logitsRow, ValueLayout.JAVA_FLOAT, 0, out, 0, vocab);
  }

  /** The best token of row {@code index} of the last step, which was asked for candidates. */
  int greedy(int index) {
    readBest();
    return bestStaging.getAtIndex(ValueLayout.JAVA_INT, (long) index * picked);
  }

  /** The best logits of row {@code index}, as many as the last step was asked for or more. */
  BestTokens best(int index) {
    readBest();
    int[] ids = new int[picked];
    float[] values = new float[picked];
    long row = 4L * picked;
    MemorySegment.copy(bestStaging, ValueLayout.JAVA_INT, row * index, ids, 0, picked);
    MemorySegment.copy(
        bestStaging, ValueLayout.JAVA_FLOAT, row * (rows + index), values, 0, picked);
    return new BestTokens(ids, values);
  }

  /** Once a step. */
  private void readBest() {
    if (bestRead) {
      return;
    }
    bestRead = true;
    int numbers = 2 * rows * picked;
    backend.read(
        new Tensor("best", best.buffer(), 0, Encoding.I32, 1, numbers),
        bestStaging.asSlice(0, 4L * numbers));
  }
}
