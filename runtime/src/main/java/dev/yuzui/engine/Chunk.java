package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;

/** Tokens that a sequence appends in a step. */
record Chunk(Sequence sequence, int[] tokens, Outputs outputs) {
  int outputCount() {
    return outputs.count(tokens.length);
  }
}
