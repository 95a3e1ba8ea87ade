package dev.yuzui.engine;

import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationPromise;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.StepTimes;
import dev.yuzui.engine.draft.MtpProposer;
import dev.yuzui.engine.schedule.EngineLoop;
import dev.yuzui.engine.schedule.Request;
import dev.yuzui.engine.schedule.SpeculativeDecoder;
import dev.yuzui.grammar.Grammar;
import dev.yuzui.text.TextStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntFunction;

/**
 * The door to the loop, which starts with the first request. What cannot be met is turned away
 * here, on the caller's thread. Thread-safe.
 */
public final class Requests implements AutoCloseable {
  private final SharedModel model;
  private final LoadingTokenizer tokenizer;
  private final Optional<LoadedDraftModel> draftModel;
  private final Grammars grammars;

  /** Requests whose grammar is not there yet. */
  private final Map<Generation, Waiting> compiling = new HashMap<>();

  private final AtomicLong order = new AtomicLong();
  private Optional<EngineLoop> loop = Optional.empty();
  private boolean closed;

  Requests(SharedModel model, LoadingTokenizer tokenizer, Optional<LoadedDraftModel> draftModel) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.draftModel = draftModel;
    this.grammars = new Grammars(tokenizer);
  }

  /**
   * @param same requests that differ in how they are sampled alone
   * @param listeners of each
   */
  List<Generation> submit(List<GenerateRequest> same, IntFunction<GenerationListener> listeners) {
    List<GenerationPromise> promises =
        same.stream().map(_ -> new GenerationPromise(this::cancel)).toList();
    try {
      model.closing().requireOpen();
      requireGood(same.getFirst());
      requireText(same.getFirst());
      List<Request> made = new ArrayList<>();
      for (int i = 0; i < same.size(); i++) {
        made.add(request(same.get(i), promises.get(i), listeners.apply(i)));
      }
      EngineLoop engineLoop = loop();
      Optional<Constraint> constraint = same.getFirst().constraint();
      if (constraint.isPresent()) {
        compile(constraint.get(), made, engineLoop);
      } else {
        engineLoop.submit(made.getFirst(), made.subList(1, made.size()));
      }
    } catch (RuntimeException e) {
      EngineException why = failure(e);
      promises.forEach(promise -> promise.fail(why));
    }
    return promises.stream().map(GenerationPromise::generation).toList();
  }

  private static EngineException failure(Throwable e) {
    return switch (e) {
      case EngineException known -> known;
      case CompletionException wrapped when wrapped.getCause() != null ->
          failure(wrapped.getCause());
      default -> new EngineException(e.getMessage(), e);
    };
  }

  /**
   * @param grammar what it waits for, as its siblings do
   * @param left how many of them wait still
   */
  private record Waiting(Request request, CompletableFuture<Grammar> grammar, AtomicInteger left) {}

  /**
   * They join the loop when their grammar is there, but for those that were cancelled. When all of
   * them are over it is not made.
   */
  private void compile(Constraint constraint, List<Request> made, EngineLoop engineLoop) {
    CompletableFuture<Grammar> grammar = grammars.compile(constraint.source());
    AtomicInteger count = new AtomicInteger(made.size());
    synchronized (compiling) {
      made.forEach(
          request -> compiling.put(request.generation(), new Waiting(request, grammar, count)));
    }
    CompletableFuture<?> _ =
        grammar.handle(
            (ready, failure) -> {
              List<Request> left = made.stream().filter(this::takeCompiling).toList();
              try {
                if (failure instanceof TimeoutException) {
                  left.forEach(r -> r.promise().complete(r.result(FinishReason.TIMEOUT)));
                  return left;
                }
                if (failure != null) {
                  throw failure(failure);
                }
                left.forEach(request -> request.constrain(ready));
                if (!left.isEmpty()) {
                  engineLoop.submit(left.getFirst(), left.subList(1, left.size()));
                }
              } catch (RuntimeException e) {
                EngineException why = failure(e);
                left.forEach(request -> request.promise().fail(why));
              }
              return left;
            });
    made.getFirst()
        .deadline()
        .ifPresent(at -> grammar.orTimeout(at - System.nanoTime(), TimeUnit.NANOSECONDS));
  }

  private boolean takeCompiling(Request request) {
    synchronized (compiling) {
      return compiling.remove(request.generation()) != null;
    }
  }

  private Request request(
      GenerateRequest request, GenerationPromise promise, GenerationListener listener) {
    return new Request(
        order.getAndIncrement(),
        request,
        promise,
        listener,
        model.model().contextLength(),
        tokenizer::isEnd,
        tokenizer.find().map(t -> new TextStream(t, true)));
  }

  private void requireGood(GenerateRequest request) {
    List<Integer> prompt = request.prompt();
    if (request.maxTokens() == 0) {
      model.requireRoom(0, prompt.size());
    } else {
      model.requireRoomForAnswer(prompt.size());
    }
    int vocabulary = vocabulary();
    for (int token : prompt) {
      if (token < 0 || token >= vocabulary) {
        throw new EngineException(
            "token " + token + " is outside the vocabulary of " + vocabulary + " tokens");
      }
    }
  }

  private void requireText(GenerateRequest request) {
    boolean asksForText = !request.stop().isEmpty() || request.constraint().isPresent();
    if (asksForText && !tokenizer.isThere()) {
      throw new EngineException(
          model.model().checkpoint().path()
              + " has no tokenizer: there is no text to "
              + (request.stop().isEmpty() ? "constrain" : "stop at"));
    }
  }

  private synchronized EngineLoop loop() {
    if (closed) {
      throw new EngineException("the engine is closed");
    }
    if (loop.isEmpty()) {
      loop =
          Optional.of(
              new EngineLoop(
                  model.runner(), model.cache(), model.device(), vocabulary(), speculation()));
    }
    return loop.get();
  }

  private int vocabulary() {
    return model.model().config().vocabSize();
  }

  private SpeculativeDecoder speculation() {
    Speculation how = model.model().options().speculation();
    return new SpeculativeDecoder(
        how,
        model.runner().mostOutputs(),
        how.drafts() == Speculation.Drafts.MTP
            ? Optional.of(
                new MtpProposer(model.runner(), how.mostDrafts(), how.vocabulary(vocabulary())))
            : Optional.empty(),
        draftModel.map(d -> d.proposer(vocabulary())));
  }

  private synchronized Optional<EngineLoop> started() {
    return loop;
  }

  private void cancel(Generation generation) {
    Waiting waiting;
    synchronized (compiling) {
      waiting = compiling.remove(generation);
    }
    if (waiting != null) {
      waiting.request().promise().complete(waiting.request().result(FinishReason.CANCELLED));
      if (waiting.left().decrementAndGet() == 0) {
        waiting.grammar().cancel(false);
      }
      return;
    }
    started().ifPresent(l -> l.cancel(generation));
  }

  /** False when every request from now on fails. */
  synchronized boolean usable() {
    return !closed && loop.map(EngineLoop::usable).orElse(true);
  }

  EngineMetrics metrics() {
    return started().map(EngineLoop::metrics).orElse(EngineMetrics.NONE);
  }

  StepTimes stepTimes() {
    return started().map(EngineLoop::stepTimes).orElse(StepTimes.NONE);
  }

  /** Whether the caller is the loop: a listener, or what depends on a result. */
  boolean runByCurrentThread() {
    return started().map(EngineLoop::isCurrentThread).orElse(false);
  }

  /** To be called where pages or sequences became free. */
  void wake() {
    started().ifPresent(EngineLoop::wake);
  }

  /** Requests that are not done fail, and all that come later. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    grammars.close();
    started().ifPresent(EngineLoop::close);
    List<Waiting> waiting;
    synchronized (compiling) {
      waiting = List.copyOf(compiling.values());
      compiling.clear();
    }
    waiting.forEach(
        each ->
            each.request()
                .promise()
                .fail(new EngineException("the engine was closed before the request was done")));
    draftModel.ifPresent(LoadedDraftModel::close); // the loop used it
  }
}
