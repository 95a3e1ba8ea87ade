package dev.yuzui.engine.api;

import java.util.function.Consumer;

/** The engine's side of a {@link Generation}: what is told here is heard there. Thread-safe. */
public final class GenerationPromise {
  private final Generation generation;

  /**
   * @param cancel asked to end it early
   */
  public GenerationPromise(Consumer<Generation> cancel) {
    generation = new Generation(cancel);
  }

  public Generation generation() {
    return generation;
  }

  /** The next token. */
  public void add(Token token) {
    generation.add(token);
  }

  /** It is over. */
  public void complete(GenerationResult result) {
    generation.complete(result);
  }

  /** It is over, without a result; nothing, if it was over. */
  public void fail(EngineException e) {
    generation.fail(e);
  }
}
