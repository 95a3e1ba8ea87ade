package dev.yuzui.engine.step;

import dev.yuzui.cache.Sequence;

/** Tokens that a sequence appends in a step. */
public record Chunk(Sequence sequence, int[] tokens, Outputs outputs) {
  public int outputCount() {
    return outputs.count(tokens.length);
  }
}
