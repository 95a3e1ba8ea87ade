package dev.yuzui.cli.generate;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.text.ReasoningFilter;
import java.util.ArrayList;
import java.util.List;

/** What a reader cannot see in an answer: why it ended, or why there is none. */
final class Ending {
  private Ending() {}

  /**
   * Lines for stderr.
   *
   * @param text the answer as it was shown
   * @param maxTokens of {@code -n}; −1 for no limit
   * @param verbose name the ends that were asked for, too
   */
  static List<String> lines(
      Engine engine,
      GenerationResult result,
      String text,
      ReasoningFilter.Mode reasoning,
      int maxTokens,
      boolean verbose) {
    List<String> lines = new ArrayList<>();
    int made = result.tokens().size();
    boolean limited = maxTokens >= 0 && made >= maxTokens;
    boolean full = result.finish() == FinishReason.LENGTH && !limited;
    if (text.isBlank() && result.finish() != FinishReason.CANCELLED && maxTokens != 0) {
      if (reasoning != ReasoningFilter.Mode.SHOW && made > 1) {
        lines.add(
            "no answer: all "
                + made
                + " tokens are reasoning"
                + (reasoning == ReasoningFilter.Mode.HIDE
                    ? ", which --reasoning hide leaves out"
                    : "")
                + (limited ? "; -n " + maxTokens + " was reached before it began" : ""));
      } else if (result.finish() == FinishReason.STOP && made <= 1) {
        lines.add("no answer: the model ended its text at once");
      }
    }
    if (full) {
      lines.add(
          "ended where the context is full, at "
              + engine.contextLength()
              + " tokens"
              + (engine.contextLength() < engine.config().contextLength()
                  ? "; a larger -c takes more, up to the model's " + engine.config().contextLength()
                  : ", all that the model has"));
    }
    if (verbose && limited && result.finish() == FinishReason.LENGTH) {
      lines.add("ended after the " + maxTokens + " tokens of -n");
    }
    if (verbose && result.finish() == FinishReason.STOP) {
      lines.add("ended by the model, or at a text of --stop, after " + made + " tokens");
    }
    return lines;
  }
}
