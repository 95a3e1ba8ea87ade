package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.LogitsSink;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.model.Step;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/** Reads a text and hands out the logits of all its positions. */
record LogitsPass(SharedModel model, Supplier<Session> sessions, int[] tokens, LogitsSink sink) {
  private interface ChunkAction {
    void run(Sequence sequence, int from, int to);
  }

  void main() {
    eachChunk(
        (sequence, from, to) -> {
          run(sequence, Arrays.copyOfRange(tokens, from, to), Outputs.ALL);
          emit(from, to - from);
        });
  }

  void mtp() {
    eachChunk(
        (sequence, from, to) -> {
          run(sequence, Arrays.copyOfRange(tokens, from, to), Outputs.NONE);
          int[] next = Arrays.copyOfRange(tokens, from + 1, Math.min(to + 1, tokens.length));
          if (next.length > 0) {
            model.runner().runMtp(sequence, from, next);
            emit(from, next.length);
          }
        });
  }

  private void eachChunk(ChunkAction action) {
    model.requireRoom(0, tokens.length);
    int chunk = Math.min(model.runner().maxTokens(), Step.OUTPUTS);
    try (Session session = sessions.get()) {
      for (int from = 0; from < tokens.length; from += chunk) {
        try (var _ = model.hold()) {
          action.run(session.sequence(), from, Math.min(tokens.length, from + chunk));
        }
      }
    }
  }

  private void run(Sequence sequence, int[] chunk, Outputs outputs) {
    model.runner().run(List.of(new Chunk(sequence, chunk, outputs)));
  }

  private void emit(int from, int rows) {
    float[] row = new float[model.model().config().vocabSize()];
    for (int i = 0; i < rows; i++) {
      model.runner().logits(i, row);
      sink.row(from + i, row);
    }
  }
}
