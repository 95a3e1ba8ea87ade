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
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Compiles what answers may be on threads of its own, for it takes up to seconds: neither the
 * engine's thread nor a caller's waits. Thread-safe.
 */
final class Grammars implements AutoCloseable {
  private static final int THREADS = 2;

  private final LazyTokenizer tokenizer;
  private Optional<GrammarCompiler> compiler = Optional.empty();
  private Optional<ExecutorService> threads = Optional.empty();
  private boolean closed;

  Grammars(LazyTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** Fails with {@link EngineException}, which says what is wrong with {@code source}. */
  CompletableFuture<Grammar> compile(GrammarSource source) {
    return CompletableFuture.supplyAsync(() -> make(source), threads());
  }

  private synchronized ExecutorService threads() {
    if (closed) {
      throw new EngineException("the engine is closed");
    }
    if (threads.isEmpty()) {
      threads =
          Optional.of(
              Executors.newFixedThreadPool(
                  THREADS, Thread.ofPlatform().daemon().name("yuzui-grammar-", 0).factory()));
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
    threads.ifPresent(ExecutorService::shutdownNow);
  }
}
