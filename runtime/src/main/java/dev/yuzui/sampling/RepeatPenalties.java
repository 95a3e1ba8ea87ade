package dev.yuzui.sampling;

import dev.yuzui.sampling.SamplingParams.Dry;

/** Lowers the logits of tokens that have been there, and of those that would repeat a phrase. */
final class RepeatPenalties {
  private final SamplingParams params;
  private final int[] count;
  private int[] run = {};

  RepeatPenalties(SamplingParams params, int vocabulary) {
    this.params = params;
    boolean used = params.penalises() || params.dry().multiplier() > 0;
    count = new int[used ? vocabulary : 0];
  }

  /** Changes {@code logits} by what the first {@code length} tokens of {@code history} say. */
  void apply(float[] logits, int[] history, int length) {
    if (params.penalises()) {
      window(logits, history, start(params.repeatLastN(), length), length);
    }
    if (params.dry().multiplier() > 0 && params.dry().lastN() != 0) {
      dry(logits, history, start(params.dry().lastN(), length), length);
    }
  }

  private static int start(int lastN, int length) {
    return lastN < 0 ? 0 : Math.max(0, length - lastN);
  }

  private void window(float[] logits, int[] history, int from, int to) {
    for (int i = from; i < to; i++) {
      if (history[i] < logits.length) {
        count[history[i]]++;
      }
    }
    for (int i = from; i < to; i++) {
      int id = history[i];
      if (id >= logits.length || count[id] == 0) {
        continue; // done
      }
      double logit = logits[id];
      logit = logit > 0 ? logit / params.repeatPenalty() : logit * params.repeatPenalty();
      logit -= params.presencePenalty() + count[id] * params.frequencyPenalty();
      logits[id] = (float) logit;
      count[id] = 0;
    }
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
        count[next] = Math.max(count[next], Math.min(run[i], limit));
      }
    }
    for (int i = 1; i < n; i++) {
      int next = history[to - i];
      if (next >= logits.length) {
        continue;
      }
      if (count[next] >= dry.allowedLength() && !dry.breakers().contains(next)) {
        double penalty =
            dry.multiplier() * StrictMath.pow(dry.base(), count[next] - dry.allowedLength());
        logits[next] = (float) Math.max(logits[next] - penalty, -Float.MAX_VALUE);
      }
      count[next] = 0;
    }
  }
}
