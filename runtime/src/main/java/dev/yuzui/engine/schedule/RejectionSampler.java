package dev.yuzui.engine.schedule;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.draft.DraftCosts;
import dev.yuzui.engine.step.BestTokens;
import dev.yuzui.engine.step.Steps;
import dev.yuzui.sampling.Sampler;
import dev.yuzui.sampling.SamplingScratch;

/** Samples the next tokens of requests from a step that has run, and counts them. */
final class RejectionSampler {
  private final Steps steps;
  private final DraftCosts costs;
  private final float[] logits;
  private final SamplingScratch scratch;
  private long tokens;
  private long drafts;
  private long draftTokens;
  private long acceptedTokens;

  /**
   * @param costs told how many guesses were right
   */
  RejectionSampler(Steps steps, int vocabulary, DraftCosts costs) {
    this.steps = steps;
    this.costs = costs;
    this.logits = new float[vocabulary];
    this.scratch = new SamplingScratch(vocabulary);
  }

  /** Tokens drawn. */
  long tokens() {
    return tokens;
  }

  /** Times that guesses were checked. */
  long drafts() {
    return drafts;
  }

  long draftTokens() {
    return draftTokens;
  }

  long acceptedTokens() {
    return acceptedTokens;
  }

  /**
   * Samples from the row behind the last known token and, as long as the guesses are right, from
   * those behind them; what was guessed wrong leaves the sequence.
   *
   * @param output of the step, that of the last known token
   * @throws RuntimeException if a row cannot be sampled from: the request's fault alone, and its
   *     sequence is as long as its tokens say
   */
  void draw(Request request, int output, int guesses) {
    int right = 0;
    try {
      Sampler sampler = request.sampler(scratch);
      while (true) {
        int token = sample(request, sampler, output + right);
        if (request.wantsLogprobs()) {
          steps.logits(output + right, logits);
          request.tellLogprobs(logits, token);
        }
        sampler.accept(token);
        request.append(token);
        tokens++;
        if (right == guesses || request.drafts()[right] != token || request.complete()) {
          break;
        }
        right++;
      }
    } finally {
      Sequence sequence = request.sequence().orElseThrow();
      sequence.truncate(sequence.length() - (guesses - right));
      count(request, guesses, right);
      request.setDrafts(new int[0]);
    }
  }

  private void count(Request request, int guesses, int right) {
    if (guesses > 0) {
      request.countDrafts(guesses, right);
      drafts++;
      draftTokens += guesses;
      acceptedTokens += right;
      if (!request.draftsForced()) {
        costs.checked(right);
      }
    }
  }

  /** By the row's candidates, if it has any; a row without is one to complain about as a whole. */
  private int sample(Request request, Sampler sampler, int row) {
    int token = draw(request, sampler, row);
    if (request.accepts(token)) {
      return token;
    }
    // a draw that is refused is made again among what is allowed: without filters that is to draw
    // from what is allowed in the first place, and most draws need no mask
    steps.logits(row, logits);
    return sampler.sample(logits, request.mask());
  }

  private int draw(Request request, Sampler sampler, int row) {
    if (request.candidates() > 0) {
      BestTokens best = steps.best(row);
      if (best.logits()[0] > Float.NEGATIVE_INFINITY) {
        return sampler.sample(best.ids(), best.logits());
      }
    }
    steps.logits(row, logits);
    return sampler.sample(logits);
  }
}
