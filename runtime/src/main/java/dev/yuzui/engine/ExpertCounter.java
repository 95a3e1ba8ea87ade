package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.Point;
import dev.yuzui.parallel.ExpertLoads;
import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * Counts which experts a model's gates choose, for the tokens it reads and for those it makes. Its
 * MTP layers are not run. Steps run op by op, as they do for every {@link Observer}; others run as
 * ever.
 */
public final class ExpertCounter {
  private final Engine engine;
  private final ExpertLoads loads;

  /**
   * @throws EngineException if the engine is closed
   */
  public ExpertCounter(Engine engine) {
    engine.requireOpen();
    this.engine = engine;
    this.loads =
        new ExpertLoads(
            engine.config().name(),
            engine.checkpoint().fingerprint(),
            engine.config().gate().experts());
  }

  public ExpertLoads loads() {
    return loads;
  }

  /**
   * Reads a text, in pieces that each fit the context, and makes {@code made} tokens after the last
   * one, the best each time.
   *
   * @param progress told the number of tokens read so far
   */
  public void count(int[] text, int made, IntConsumer progress) {
    engine.requireOpen();
    if (made >= engine.contextLength()) {
      engine.shared().requireRoom(1, made);
    }
    int piece = engine.contextLength() - made;
    for (int from = 0; from < text.length; from += piece) {
      int to = Math.min(text.length, from + piece);
      try (Session session = engine.newSession()) {
        int next = read(session, Arrays.copyOfRange(text, from, to), from, progress);
        for (int i = 0; to == text.length && i < made; i++) {
          next = step(session, new int[] {next});
        }
      }
    }
  }

  /** Gives the best token behind the piece. */
  private int read(Session session, int[] piece, int before, IntConsumer progress) {
    int chunk = Math.min(Engine.OBSERVED_TOKENS, engine.batchTokens());
    int next = 0;
    for (int from = 0; from < piece.length; from += chunk) {
      int to = Math.min(piece.length, from + chunk);
      next = step(session, Arrays.copyOfRange(piece, from, to));
      progress.accept(before + to);
    }
    return next;
  }

  private int step(Session session, int[] tokens) {
    int[] best = new int[1];
    session.observe(
        tokens,
        (layer, point, values) -> {
          if (point == Point.EXPERT_IDS) {
            for (float expert : values.read()) {
              loads.add(layer, (int) expert, 1);
            }
          } else if (point == Point.LOGITS) {
            best[0] = last(values.read());
          }
        });
    return best[0];
  }

  /** The best token of the last row; the first of equals. */
  private int last(float[] logits) {
    int start = logits.length - engine.config().vocabSize();
    int best = start;
    for (int i = start; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best - start;
  }
}
