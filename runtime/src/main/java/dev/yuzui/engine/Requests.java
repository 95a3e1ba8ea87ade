package dev.yuzui.engine;

import dev.yuzui.cache.LatentCaches;
import dev.yuzui.text.TextStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The door to the loop, which starts with the first request. What cannot be met is turned away
 * here, on the caller's thread. Thread-safe.
 */
final class Requests implements AutoCloseable {
  private final Engine engine;
  private final Steps steps;
  private final LatentCaches cache;
  private final ReentrantLock device;
  private final AtomicLong order = new AtomicLong();
  private Optional<EngineLoop> loop = Optional.empty();
  private boolean closed;

  /**
   * @param device held while the model or the cache is used
   */
  Requests(Engine engine, Steps steps, LatentCaches cache, ReentrantLock device) {
    this.engine = engine;
    this.steps = steps;
    this.cache = cache;
    this.device = device;
  }

  /**
   * @param same requests that differ in how they are sampled alone
   */
  List<Generation> submit(List<GenerateRequest> same, GenerationListener listener) {
    List<Generation> generations = same.stream().map(_ -> new Generation(this::cancel)).toList();
    try {
      engine.requireOpen();
      requireGood(same.getFirst());
      requireText(same.getFirst());
      List<Job> jobs = new ArrayList<>();
      for (int i = 0; i < same.size(); i++) {
        jobs.add(job(same.get(i), generations.get(i), listener));
      }
      loop().submit(jobs.getFirst(), jobs.subList(1, jobs.size()));
    } catch (RuntimeException e) {
      EngineException why =
          e instanceof EngineException known ? known : new EngineException(e.getMessage(), e);
      generations.forEach(generation -> generation.fail(why));
    }
    return generations;
  }

  private Job job(GenerateRequest request, Generation generation, GenerationListener listener) {
    return new Job(
        order.getAndIncrement(),
        request,
        generation,
        listener,
        engine.contextLength(),
        engine::isEnd,
        engine.findTokenizer().map(t -> new TextStream(t, true)));
  }

  private void requireGood(GenerateRequest request) {
    List<Integer> prompt = request.prompt();
    if (request.maxTokens() == 0) {
      engine.requireRoom(0, prompt.size());
    } else {
      engine.requireRoomForAnswer(prompt.size());
    }
    int vocabulary = engine.config().vocabSize();
    for (int token : prompt) {
      if (token < 0 || token >= vocabulary) {
        throw new EngineException(
            "token " + token + " is outside the vocabulary of " + vocabulary + " tokens");
      }
    }
  }

  private void requireText(GenerateRequest request) {
    if (!request.stop().isEmpty() && !engine.hasTokenizer()) {
      throw new EngineException(
          engine.checkpoint().path() + " has no tokenizer: there is no text to stop at");
    }
  }

  private synchronized EngineLoop loop() {
    if (closed) {
      throw new EngineException("the engine is closed");
    }
    if (loop.isEmpty()) {
      loop =
          Optional.of(
              new EngineLoop(steps, cache, device, engine.config().vocabSize(), speculation()));
    }
    return loop.get();
  }

  private SpeculativeDecoder speculation() {
    Speculation how = engine.options().speculation();
    return new SpeculativeDecoder(
        how,
        how.drafts() == Speculation.Drafts.MTP
            ? Optional.of(
                new MtpDrafter(
                    engine.runner(), how.mostDrafts(), how.vocabulary(engine.config().vocabSize())))
            : Optional.empty());
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
  }
}
