package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
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
import dev.yuzui.text.TextStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The door to the loop, which starts with the first request. What cannot be met is turned away
 * here, on the caller's thread. Thread-safe.
 */
public final class Requests implements AutoCloseable {
  private final SharedModel model;
  private final LazyTokenizer tokenizer;
  private final Optional<LoadedDraftModel> draftModel;
  private final AtomicLong order = new AtomicLong();
  private Optional<EngineLoop> loop = Optional.empty();
  private boolean closed;

  Requests(SharedModel model, LazyTokenizer tokenizer, Optional<LoadedDraftModel> draftModel) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.draftModel = draftModel;
  }

  /**
   * @param same requests that differ in how they are sampled alone
   */
  List<Generation> submit(List<GenerateRequest> same, GenerationListener listener) {
    List<GenerationPromise> promises =
        same.stream().map(_ -> new GenerationPromise(this::cancel)).toList();
    try {
      model.closing().requireOpen();
      requireGood(same.getFirst());
      requireText(same.getFirst());
      List<Request> made = new ArrayList<>();
      for (int i = 0; i < same.size(); i++) {
        made.add(request(same.get(i), promises.get(i), listener));
      }
      loop().submit(made.getFirst(), made.subList(1, made.size()));
    } catch (RuntimeException e) {
      EngineException why =
          e instanceof EngineException known ? known : new EngineException(e.getMessage(), e);
      promises.forEach(promise -> promise.fail(why));
    }
    return promises.stream().map(GenerationPromise::generation).toList();
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
    if (!request.stop().isEmpty() && !tokenizer.isThere()) {
      throw new EngineException(
          model.model().checkpoint().path() + " has no tokenizer: there is no text to stop at");
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
    started().ifPresent(EngineLoop::close);
    draftModel.ifPresent(LoadedDraftModel::close); // the loop used it
  }
}
