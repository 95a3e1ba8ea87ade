package dev.yuzui.engine.api;

import java.util.ArrayList;
import java.util.List;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** An answer in the making. Thread-safe. */
public final class Generation {
  private final Consumer<Generation> cancel;
  private final CompletableFuture<GenerationResult> result = new CompletableFuture<>();
  private final List<Token> tokens = new ArrayList<>();

  /** See {@link GenerationPromise}. */
  public Generation(Consumer<Generation> cancel) {
    this.cancel = cancel;
  }

  /**
   * Fails with {@link EngineException}. What depends on it runs on the engine's thread unless it is
   * asked to run elsewhere.
   */
  public CompletableFuture<GenerationResult> result() {
    return result.copy();
  }

  /**
   * Waits for the result.
   *
   * @throws EngineException if the request failed
   */
  public GenerationResult await() {
    try {
      return result.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof EngineException known ? known : e;
    }
  }

  /**
   * Ends the generation before its next token, and gives back its memory; the result then has
   * {@link FinishReason#CANCELLED}. Nothing happens if it is over.
   */
  public void cancel() {
    if (!result.isDone()) {
      cancel.accept(this);
    }
  }

  /**
   * The tokens from the first on, each as soon as it is there. Whoever reads waits; closing the
   * stream cancels. Throws {@link EngineException} where the request failed.
   */
  public Stream<Token> tokens() {
    return StreamSupport.stream(new Tokens(), false).onClose(this::cancel);
  }

  private final class Tokens extends Spliterators.AbstractSpliterator<Token> {
    private int next;

    private Tokens() {
      super(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL);
    }

    @Override
    public boolean tryAdvance(Consumer<? super Token> action) {
      Token token;
      synchronized (tokens) {
        while (next == tokens.size() && !result.isDone()) {
          awaitMore();
        }
        if (next == tokens.size()) {
          await(); // throws if it failed
          return false;
        }
        token = tokens.get(next++);
      }
      action.accept(token);
      return true;
    }
  }

  private void awaitMore() {
    try {
      tokens.wait();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      cancel();
      throw new EngineException("interrupted while waiting for a token", e);
    }
  }

  void add(Token token) {
    synchronized (tokens) {
      tokens.add(token);
      tokens.notifyAll();
    }
  }

  void complete(GenerationResult value) {
    result.complete(value);
    wake();
  }

  public void fail(EngineException e) {
    result.completeExceptionally(e);
    wake();
  }

  private void wake() {
    synchronized (tokens) {
      tokens.notifyAll();
    }
  }
}
