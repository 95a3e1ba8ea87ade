package dev.yuzui.engine.api;

import java.util.Arrays;
import java.util.List;

/**
 * What the model thought of a place of its text: natural logarithms of probabilities, of all logits
 * as they are, before temperature, filters, penalties and grammars.
 *
 * @param drawn the token that is there
 * @param top the most probable, best first; of equals the lower id
 */
public record TokenLogprobs(Entry drawn, List<Entry> top) {
  /** Of {@link #top}, as the OpenAI interface has it. */
  public static final int MOST = 20;

  /** A token and the logarithm of its probability. */
  public record Entry(int token, double logprob) {}

  public TokenLogprobs {
    top = List.copyOf(top);
  }

  /**
   * @param logits of all tokens
   * @param token that was drawn
   * @param most of the others to tell
   */
  public static TokenLogprobs of(float[] logits, int token, int most) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    double all = max + Math.log(sum);
    int[] best = new int[Math.min(most, logits.length)];
    int found = 0;
    for (int id = 0; id < logits.length; id++) {
      if (found == best.length && (found == 0 || logits[id] <= logits[best[found - 1]])) {
        continue;
      }
      int at = found < best.length ? found++ : found - 1;
      while (at > 0 && logits[best[at - 1]] < logits[id]) {
        best[at] = best[--at];
      }
      best[at] = id;
    }
    return new TokenLogprobs(
        new Entry(token, logits[token] - all),
        Arrays.stream(best).mapToObj(id -> new Entry(id, logits[id] - all)).toList());
  }
}
