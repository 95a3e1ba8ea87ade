package dev.yuzui.engine.schedule;

import dev.yuzui.cache.KvCaches;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.StepTimes;
import dev.yuzui.engine.schedule.Scheduler.Grant;
import dev.yuzui.engine.schedule.TurnRunner.Turn;
import dev.yuzui.engine.step.Steps;
import dev.yuzui.parallel.DeviceFailure;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.concurrent.locks.ReentrantLock;
import jdk.jfr.FlightRecorder;

/**
 * Drives requests through a model on a thread of its own: in each turn it takes in what came, runs
 * a step, samples, and tells. What a request brings on itself fails it alone; when a step fails,
 * all fail, and those that come later.
 */
public final class EngineLoop implements AutoCloseable {
  private final Steps steps;
  private final KvCaches cache;
  private final ReentrantLock device;
  private final KvCacheManager room;
  private final SpeculativeDecoder speculation;
  private final TurnRunner running;
  private final RejectionSampler drawing;
  private final Scheduler<Request> scheduler;
  private final Inbox inbox = new Inbox();
  private final Thread thread;

  // of requests that are not over
  private final Map<Generation, Request> requests = new LinkedHashMap<>();
  private final PriorityQueue<Request> timed =
      new PriorityQueue<>((a, b) -> Long.signum(deadline(a) - deadline(b)));

  private boolean idle = true;
  private long stepCount;
  private long hostNanos;
  private long lockNanos;
  private volatile EngineMetrics metrics = EngineMetrics.NONE;
  private volatile StepTimes stepTimes = StepTimes.NONE;

  /**
   * @param device held while the model or the cache is used
   */
  public EngineLoop(
      Steps steps,
      KvCaches cache,
      ReentrantLock device,
      int vocabulary,
      SpeculativeDecoder speculation) {
    this.steps = steps;
    this.speculation = speculation;
    this.cache = cache;
    this.device = device;
    this.running = new TurnRunner(steps, cache);
    this.drawing = new RejectionSampler(steps, vocabulary, speculation.costs());
    this.room = new KvCacheManager(cache);
    int budget = steps.maxTokens();
    int most = Math.min(budget, cache.maxSequences());
    this.scheduler = new Scheduler<>(room, budget, most);
    this.thread = Thread.ofPlatform().daemon().name("yuzui-engine").start(this::run);
  }

  /**
   * @param more answers to the same prompt
   * @throws EngineException if the engine takes no more requests
   */
  public void submit(Request request, List<Request> more) {
    request.siblings().addAll(more);
    inbox.submit(request);
  }

  public void cancel(Generation generation) {
    inbox.cancel(generation);
  }

  /** Pages or sequences may have become free. */
  public void wake() {
    inbox.disturb();
  }

  public boolean usable() {
    return !inbox.isShut();
  }

  public EngineMetrics metrics() {
    return metrics;
  }

  public StepTimes stepTimes() {
    return stepTimes;
  }

  private void run() {
    EngineException why = drive();
    inbox.shut(why).arrived().forEach(this::take);
    Outcome outcome = new Outcome.Failed(why);
    Map<Request, Outcome> all = new LinkedHashMap<>();
    requests.values().forEach(request -> all.put(request, outcome));
    requests.values().forEach(request -> request.siblings().clear());
    try {
      end(all);
    } finally {
      all.keySet().forEach(request -> request.promise().fail(why)); // nobody waits in vain
    }
  }

  /** Until it cannot go on; why. */
  private EngineException drive() {
    try {
      while (takeMail()) {
        long start = System.nanoTime() - deviceNanos();
        step();
        if (!idle) {
          stepCount++;
          hostNanos += System.nanoTime() - deviceNanos() - start;
        }
      }
      return new EngineException("the engine was closed before the request was done");
    } catch (Throwable e) {
      return new EngineException(
          "the engine cannot go on: " + e.getMessage() + "; close it and open another", e);
    }
  }

  /** While devices worked, for this loop or for others. */
  private long deviceNanos() {
    return steps.deviceNanos() + speculation.deviceNanos() + lockNanos;
  }

  private void lock() {
    long asked = System.nanoTime();
    device.lock();
    lockNanos += System.nanoTime() - asked;
  }

  // ---- what comes from outside ----

  /** False when the engine is to close. */
  private boolean takeMail() {
    OptionalLong until =
        timed.isEmpty() ? OptionalLong.empty() : OptionalLong.of(deadline(timed.peek()));
    Inbox.Mail mail = inbox.take(idle, until);
    mail.arrived().forEach(this::take);
    Map<Request, Outcome> over = new LinkedHashMap<>();
    for (Generation generation : mail.cancelled()) {
      if (requests.containsKey(generation)) {
        over.put(requests.get(generation), new Outcome.Done(FinishReason.CANCELLED));
      }
    }
    long now = System.nanoTime();
    while (!timed.isEmpty() && deadline(timed.peek()) - now <= 0) {
      over.putIfAbsent(timed.poll(), new Outcome.Done(FinishReason.TIMEOUT));
    }
    end(over);
    return !mail.closing();
  }

  private void take(Request request) {
    know(request);
    request.siblings().forEach(this::know);
    scheduler.add(request);
  }

  private void know(Request request) {
    requests.put(request.generation(), request);
    if (request.times().deadline().isPresent()) {
      timed.add(request);
    }
  }

  private static long deadline(Request request) {
    return request.times().deadline().orElseThrow();
  }

  // ---- a step ----

  private void step() {
    List<Turn> turns = new ArrayList<>();
    List<Request> drawn = new ArrayList<>();
    Map<Request, Outcome> over = new LinkedHashMap<>();
    lock();
    try {
      Optional<StepEvent> event =
          FlightRecorder.isInitialized() ? Optional.of(StepEvent.begun()) : Optional.empty();
      List<Grant<Request>> grants = scheduler.next();
      idle = grants.isEmpty();
      if (idle) {
        count();
        return;
      }
      for (List<Grant<Request>> pass : running.passes(grants)) {
        try {
          turns.addAll(pass(pass, drawn, over));
        } catch (DeviceFailure failure) {
          lose(failure, over);
        }
      }
      count();
      event.ifPresent(e -> e.commit(grants, scheduler.waiting().size(), cache.freePages()));
    } finally {
      device.unlock();
    }
    tell(turns, drawn, over);
    end(over);
  }

  /**
   * Requests whose cache was on the device fail; the others append in the next step what they could
   * not in this one. Entries that the MTP layer's cache may lack now cost guesses, never text.
   */
  private void lose(DeviceFailure failure, Map<Request, Outcome> over) {
    steps.lose(failure);
    for (Request request : requests.values()) {
      request.setDrafts(new int[0]);
      if (request.sequence().filter(s -> cache.isLost(cache.rankOf(s))).isPresent()) {
        over.put(
            request,
            Outcome.failed(
                new EngineException(
                    failure.getMessage() + "; what it had of the request is lost", failure)));
      }
    }
  }

  private List<Turn> pass(
      List<Grant<Request>> grants, List<Request> drawn, Map<Request, Outcome> over) {
    boolean decoding = true;
    for (Grant<Request> grant : grants) {
      decoding &= grant.entry().decoding();
    }
    long start = System.nanoTime();
    List<Turn> turns = running.run(grants);
    if (decoding) {
      int rows = 0;
      for (Turn turn : turns) {
        rows += 1 + turn.drafts();
      }
      speculation.costs().stepTook(rows, System.nanoTime() - start);
    }
    List<SpeculativeDecoder.Part> parts = new ArrayList<>();
    for (Turn turn : turns) {
      parts.add(turn.part(turn.request()));
      if (turn.ready()) {
        List<Request> siblings = promptRead(turn.request());
        draw(turn.request(), turn.output(), turn.drafts(), drawn, over);
        siblings.forEach(sibling -> draw(sibling, turn.output(), 0, drawn, over));
        siblings.forEach(sibling -> parts.add(turn.part(sibling)));
      }
    }
    if (!over.isEmpty()) {
      parts.removeIf(part -> over.containsKey(part.request()));
    }
    speculation.draft(parts, scheduler.running());
    parts.forEach(part -> part.request().draftForced());
    return turns;
  }

  /** The answers that go on from here with a sequence of their own. */
  private List<Request> promptRead(Request request) {
    if (request.sampled() == 0) {
      request.times().promptRead();
      room.publish(request);
    }
    List<Request> joined = new ArrayList<>();
    for (Request sibling : request.siblings()) {
      if (sibling.over()) {
        continue;
      }
      if (scheduler.mayJoin() && room.fork(request, sibling)) {
        scheduler.join(sibling);
        sibling.times().promptRead();
        joined.add(sibling);
      } else {
        scheduler.add(sibling);
      }
    }
    request.siblings().clear();
    return joined;
  }

  private void draw(
      Request request, int output, int guesses, List<Request> drawn, Map<Request, Outcome> over) {
    if (request.room() <= 0) {
      over.put(request, new Outcome.Done(FinishReason.LENGTH));
      return;
    }
    try {
      drawing.draw(request, output, guesses);
      drawn.add(request);
    } catch (RuntimeException e) {
      over.put(request, Outcome.failed(e));
    }
  }

  private static void tell(List<Turn> turns, List<Request> drawn, Map<Request, Outcome> over) {
    turns.forEach(turn -> guard(turn.request(), over, turn.request()::tellPrompt));
    drawn.forEach(
        request ->
            guard(
                request,
                over,
                () ->
                    request
                        .tellTokens()
                        .ifPresent(reason -> over.put(request, new Outcome.Done(reason)))));
  }

  /** What goes wrong with one request's text or listener fails that request. */
  private static void guard(Request request, Map<Request, Outcome> over, Runnable telling) {
    if (over.get(request) instanceof Outcome.Failed) {
      return;
    }
    try {
      telling.run();
    } catch (RuntimeException e) {
      over.put(request, Outcome.failed(e));
    }
  }

  // ---- the end of a request ----

  /** Gives back what the requests have before anyone hears of it. */
  private void end(Map<Request, Outcome> over) {
    if (over.isEmpty()) {
      return;
    }
    lock();
    try {
      for (Request request : over.keySet()) {
        scheduler.remove(request);
        requests.remove(request.generation());
        if (request.times().deadline().isPresent()) {
          timed.remove(request);
        }
        request.setOver();
      }
      // whoever waited for one of them to read the prompt reads it itself
      over.keySet().forEach(this::promote);
      count();
    } finally {
      device.unlock();
    }
    over.forEach((request, outcome) -> outcome.report(request));
  }

  private void promote(Request request) {
    List<Request> heirs = request.siblings().stream().filter(sibling -> !sibling.over()).toList();
    request.siblings().clear();
    if (!heirs.isEmpty()) {
      heirs.getFirst().siblings().addAll(heirs.subList(1, heirs.size()));
      scheduler.add(heirs.getFirst());
    }
  }

  private void count() {
    stepTimes = speculation.costs().times();
    metrics =
        new EngineMetrics(
            scheduler.running().size(),
            scheduler.waiting().size(),
            1 - (double) cache.freePages() / cache.pages(),
            running.promptTokens(),
            drawing.tokens(),
            scheduler.preemptions(),
            cache.prefixStats().queriedTokens(),
            cache.prefixStats().foundTokens(),
            drawing.drafts(),
            drawing.draftTokens(),
            drawing.acceptedTokens(),
            stepCount,
            hostNanos);
  }

  /** Whether the caller is a listener, or depends on a result: a part of a turn. */
  public boolean isCurrentThread() {
    return Thread.currentThread() == thread;
  }

  /**
   * Requests that are not done fail. Waits for the loop, unless it is called by a part of a turn.
   */
  @Override
  public void close() {
    inbox.close();
    boolean interrupted = false;
    while (thread.isAlive() && !isCurrentThread()) {
      try {
        thread.join();
      } catch (InterruptedException _) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
