package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.grammar.Grammar;
import dev.yuzui.grammar.GrammarCompiler;
import dev.yuzui.grammar.GrammarException;
import dev.yuzui.grammar.GrammarPartException;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarVocabulary;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Compiles what answers may be on threads of its own, for it takes up to seconds: neither the
 * engine's thread nor a caller's waits. Thread-safe.
 */
final class Grammars implements AutoCloseable {
  private static final int THREADS = 2;

  private final LoadingTokenizer tokenizer;
  private Optional<GrammarCompiler> compiler = Optional.empty();
  private Optional<ThreadPoolExecutor> threads = Optional.empty();
  private boolean closed;

  Grammars(LoadingTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * Fails with {@link EngineException}, which says what is wrong with {@code source}. One that is
   * over before its turn comes, by a time limit or because nobody waits any more, is not compiled.
   */
  CompletableFuture<Grammar> compile(GrammarSource source) {
    CompletableFuture<Grammar> made = new CompletableFuture<>();
    ThreadPoolExecutor pool = threads();
    Runnable task =
        () -> {
          try {
            made.complete(make(source));
          } catch (Throwable e) {
            made.completeExceptionally(e);
          }
        };
    CompletableFuture<Grammar> _ =
        made.whenComplete(
            (_, failure) -> {
              if (failure != null) {
                pool.remove(task); // where it waits still
              }
            });
    pool.execute(task);
    return made;
  }

  private synchronized ThreadPoolExecutor threads() {
    if (closed) {
      throw new EngineException("the engine is closed");
    }
    if (threads.isEmpty()) {
      threads =
          Optional.of(
              new ThreadPoolExecutor(
                  THREADS,
                  THREADS,
                  0,
                  TimeUnit.SECONDS,
                  new LinkedBlockingQueue<>(),
                  Thread.ofPlatform().daemon().name("yuzui-grammar-", 0).factory()));
    }
    return threads.get();
  }

  private Grammar make(GrammarSource source) {
    try {
      return compiler().compile(source);
    } catch (GrammarPartException e) {
      throw new EngineException(e.getMessage());
    } catch (GrammarException e) {
      throw new EngineException("GenerateRequest.constraint: " + e.getMessage());
    }
  }

  /** The tokens of a large vocabulary are sorted first. */
  private synchronized GrammarCompiler compiler() {
    if (compiler.isEmpty()) {
      compiler =
          Optional.of(
              new GrammarCompiler(GrammarVocabulary.of(tokenizer.require(), tokenizer::isEnd)));
    }
    return compiler.get();
  }

  /** What is not compiled yet will not be asked for. */
  @Override
  public synchronized void close() {
    closed = true;
    threads.ifPresent(ThreadPoolExecutor::shutdownNow);
  }
}
