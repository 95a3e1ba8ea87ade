package dev.yuzui.sampling;

import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.sampling.SamplingParams.Dry;
import dev.yuzui.sampling.SamplingParams.Penalties;

/**
 * Lowers the logits of tokens that have been there, and of those that would repeat a phrase. Keeps
 * count as tokens come, so that a draw costs as much as there are different tokens, however long
 * the text.
 */
final class RepeatPenalties {
  private final SamplingParams params;
  private final Penalties penalties;
  private final TokenCounts window;
  private final TokenCounts counted;
  private final int[] longest;
  private int[] run = {};

  /**
   * @param history of {@code length} tokens, of which the first {@code promptLength} were not
   *     generated
   */
  RepeatPenalties(
      SamplingParams params, int vocabulary, int[] history, int promptLength, int length) {
    this.params = params;
    this.penalties = params.penalties();
    boolean generatedOnly = penalties.counted() == Counted.GENERATED;
    boolean recent = penalties.repeats() || (penalties.counts() && !generatedOnly);
    window = new TokenCounts(recent ? vocabulary : 0);
    counted = generatedOnly ? new TokenCounts(penalties.counts() ? vocabulary : 0) : window;
    longest = new int[params.dry().multiplier() > 0 ? vocabulary : 0];
    for (int i = start(penalties.lastN(), length); i < length; i++) {
      window.add(history[i]);
    }
    if (generatedOnly) {
      for (int i = promptLength; i < length; i++) {
        counted.add(history[i]);
      }
    }
  }

  /** Counts a generated token, the last of the {@code length} that {@code history} now has. */
  void accept(int[] history, int length) {
    int token = history[length - 1];
    window.add(token);
    int leaving = length - 1 - penalties.lastN();
    if (penalties.lastN() >= 0 && leaving >= 0) {
      window.remove(history[leaving]);
    }
    if (penalties.counted() == Counted.GENERATED) {
      counted.add(token);
    }
  }

  /** Changes {@code logits} by what the first {@code length} tokens of {@code history} say. */
  void apply(float[] logits, int[] history, int length) {
    if (penalties.repeats()) {
      for (int i = 0; i < window.size(); i++) {
        int id = window.token(i);
        double logit = logits[id];
        logits[id] = (float) (logit > 0 ? logit / penalties.repeat() : logit * penalties.repeat());
      }
    }
    if (penalties.counts()) {
      for (int i = 0; i < counted.size(); i++) {
        int id = counted.token(i);
        double penalty = penalties.presence() + counted.count(id) * penalties.frequency();
        logits[id] = (float) (logits[id] - penalty);
      }
    }
    if (params.dry().multiplier() > 0 && params.dry().lastN() != 0) {
      dry(logits, history, start(params.dry().lastN(), length), length);
    }
  }

  private static int start(int lastN, int length) {
    return lastN < 0 ? 0 : Math.max(0, length - lastN);
  }

  /**
   * The token after each earlier place whose last n tokens equal the sequence's last n would
   * lengthen a repetition of n. The n of all places are the Z-function of the history read
   * backwards, in linear time however repetitive it is.
   */
  private void dry(float[] logits, int[] history, int from, int to) {
    Dry dry = params.dry();
    int n = to - from;
    int limit = 0; // repetitions end at the last breaker
    while (limit < n && !dry.breakers().contains(history[to - 1 - limit])) {
      limit++;
    }
    if (limit < dry.allowedLength()) {
      return;
    }
    if (run.length < n) {
      run = new int[2 * n];
    }
    int left = 0;
    int right = 0;
    for (int i = 1; i < n; i++) {
      int z = i < right ? Math.min(run[i - left], right - i) : 0;
      while (i + z < n && history[to - 1 - z] == history[to - 1 - i - z]) {
        z++;
      }
      run[i] = z;
      if (i + z > right) {
        left = i;
        right = i + z;
      }
    }
    for (int i = 1; i < n; i++) {
      int next = history[to - i];
      if (next < logits.length) {
        longest[next] = Math.max(longest[next], Math.min(run[i], limit));
      }
    }
    for (int i = 1; i < n; i++) {
      int next = history[to - i];
      if (next >= logits.length) {
        continue;
      }
      if (longest[next] >= dry.allowedLength() && !dry.breakers().contains(next)) {
        double penalty =
            dry.multiplier() * StrictMath.pow(dry.base(), longest[next] - dry.allowedLength());
        logits[next] = (float) Math.max(logits[next] - penalty, -Float.MAX_VALUE);
      }
      longest[next] = 0;
    }
  }
}
