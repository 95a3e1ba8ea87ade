package dev.yuzui.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.engine.api.TokenLogprobs.Entry;
import java.util.List;
import org.junit.jupiter.api.Test;

class TokenLogprobsTest {
  /** Of probabilities 0.5, 0.25, 0.125, 0.125, 0. */
  private static final float[] LOGITS = {
    (float) Math.log(0.125),
    (float) Math.log(0.5),
    (float) Math.log(0.125),
    (float) Math.log(0.25),
    Float.NEGATIVE_INFINITY
  };

  @Test
  void theBestComeFirstAndOfEqualsTheLowerToken() {
    TokenLogprobs told = TokenLogprobs.of(LOGITS, 3, 3);
    assertEquals(List.of(1, 3, 0), told.top().stream().map(Entry::token).toList());
    assertEquals(Math.log(0.5), told.top().getFirst().logprob(), 1e-6);
    assertEquals(Math.log(0.125), told.top().getLast().logprob(), 1e-6);
    assertEquals(3, told.drawn().token());
    assertEquals(Math.log(0.25), told.drawn().logprob(), 1e-6);
  }

  @Test
  void moreThanThereAreAreAll() {
    assertEquals(5, TokenLogprobs.of(LOGITS, 0, 20).top().size());
    assertEquals(List.of(), TokenLogprobs.of(LOGITS, 0, 0).top());
  }

  @Test
  void whatADrawWasMadeOfDoesNotMatter() {
    TokenLogprobs told = TokenLogprobs.of(LOGITS, 4, 1); // a grammar left nothing else
    assertEquals(Double.NEGATIVE_INFINITY, told.drawn().logprob());
  }
}
