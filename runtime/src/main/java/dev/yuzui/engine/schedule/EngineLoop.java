package dev.yuzui.engine.schedule;

import dev.yuzui.model.Step;

import dev.yuzui.cache.LatentCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.schedule.Scheduler.Grant;
import dev.yuzui.parallel.DeviceFailure;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.StepTimes;
import dev.yuzui.engine.step.Steps;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.engine.Requests;

/**
 * Drives requests through a model on a thread of its own: in each turn it takes in what came, runs
 * a step, samples, and tells. What a request brings on itself fails it alone; when a step fails,
 * all fail, and those that come later.
 */
public final class EngineLoop implements AutoCloseable {
  private final Steps steps;
  private final LatentCaches cache;
  private final ReentrantLock device;
  private final KvCacheManager room;
  private final SpeculativeDecoder speculation;
  private final RejectionSampler drawing;
  private final Scheduler<Request> scheduler;
  private final Inbox inbox = new Inbox();
  private final Thread thread;

  // of requests that are not over
  private final Map<Generation, Request> jobs = new LinkedHashMap<>();
  private final PriorityQueue<Request> timed =
      new PriorityQueue<>((a, b) -> Long.signum(deadline(a) - deadline(b)));

  private boolean idle = true;
  private long promptTokens;
  private volatile EngineMetrics metrics = EngineMetrics.NONE;
  private volatile StepTimes stepTimes = StepTimes.NONE;

  /**
   * @param device held while the model or the cache is used
   */
  public EngineLoop(
      Steps steps,
      LatentCaches cache,
      ReentrantLock device,
      int vocabulary,
      SpeculativeDecoder speculation) {
    this.steps = steps;
    this.speculation = speculation;
    this.cache = cache;
    this.device = device;
    this.drawing = new RejectionSampler(steps, vocabulary, speculation.costs());
    this.room = new KvCacheManager(cache);
    int budget = steps.maxTokens();
    int most = Math.min(budget, Math.min(cache.maxSequences(), Step.MAX_OUTPUTS));
    this.scheduler = new Scheduler<>(room, budget, most);
    this.thread = Thread.ofPlatform().daemon().name("yuzui-engine").start(this::run);
  }

  /**
   * @param more answers to the same prompt
   * @throws EngineException if the engine takes no more requests
   */
  public void submit(Request job, List<Request> more) {
    job.siblings().addAll(more);
    inbox.submit(job);
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
    jobs.values().forEach(job -> all.put(job, outcome));
    jobs.values().forEach(job -> job.siblings().clear());
    try {
      end(all);
    } finally {
      all.keySet().forEach(job -> job.promise().fail(why)); // nobody waits in vain
    }
  }

  /** Until it cannot go on; why. */
  private EngineException drive() {
    try {
      while (takeMail()) {
        step();
      }
      return new EngineException("the engine was closed before the request was done");
    } catch (Throwable e) {
      return new EngineException(
          "the engine cannot go on: " + e.getMessage() + "; close it and open another", e);
    }
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
      if (jobs.containsKey(generation)) {
        over.put(jobs.get(generation), new Outcome.Done(FinishReason.CANCELLED));
      }
    }
    long now = System.nanoTime();
    while (!timed.isEmpty() && deadline(timed.peek()) - now <= 0) {
      over.putIfAbsent(timed.poll(), new Outcome.Done(FinishReason.TIMEOUT));
    }
    end(over);
    return !mail.closing();
  }

  private void take(Request job) {
    know(job);
    job.siblings().forEach(this::know);
    scheduler.add(job);
  }

  private void know(Request job) {
    jobs.put(job.generation(), job);
    if (job.times().deadline().isPresent()) {
      timed.add(job);
    }
  }

  private static long deadline(Request job) {
    return job.times().deadline().orElseThrow();
  }

  // ---- a step ----

  /**
   * A job's part of a step.
   *
   * @param row of the step, its first
   * @param start entry it writes with it
   * @param output of the step, its first, if it has any
   * @param drafts of its tokens, the last
   * @param ready whether its next token is to be drawn
   */
  private record Turn(Request job, int row, int start, int output, int drafts, boolean ready) {
    /**
     * @param who the job, or one that goes on from here with a sequence of its own
     */
    SpeculativeDecoder.Part part(Request who) {
      return new SpeculativeDecoder.Part(who, row, start, who != job);
    }
  }

  private void step() {
    List<Turn> turns = new ArrayList<>();
    List<Request> drawn = new ArrayList<>();
    Map<Request, Outcome> over = new LinkedHashMap<>();
    device.lock();
    try {
      StepEvent event = new StepEvent();
      event.begin();
      List<Grant<Request>> grants = scheduler.next();
      idle = grants.isEmpty();
      if (idle) {
        count();
        return;
      }
      for (List<Grant<Request>> pass : passes(grants)) {
        try {
          turns.addAll(pass(pass, drawn, over));
        } catch (DeviceFailure failure) {
          lose(failure, over);
        }
      }
      count();
      event.rows = grants.stream().mapToInt(Grant::tokens).sum();
      event.sequences = grants.size();
      event.queueLength = scheduler.waiting().size();
      event.freePages = cache.freePages();
      event.commit();
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
    for (Request job : jobs.values()) {
      job.setDrafts(new int[0]);
      if (job.sequence().filter(s -> cache.isLost(cache.rankOf(s))).isPresent()) {
        over.put(
            job,
            Outcome.failed(
                new EngineException(
                    failure.getMessage() + "; what it had of the request is lost", failure)));
      }
    }
  }

  /**
   * Few tokens and many take different forms of attention, which agree but for rounding: apart, so
   * that what a sequence makes does not depend on whose prompt is read beside it.
   */
  private static List<List<Grant<Request>>> passes(List<Grant<Request>> grants) {
    return grants.stream()
        .collect(Collectors.partitioningBy(g -> g.tokens() >= Step.PREFILL_TOKENS))
        .values()
        .stream()
        .filter(pass -> !pass.isEmpty())
        .toList();
  }

  private List<Turn> pass(List<Grant<Request>> grants, List<Request> drawn, Map<Request, Outcome> over) {
    boolean decoding = grants.stream().allMatch(grant -> grant.entry().decoding());
    long start = System.nanoTime();
    List<Turn> turns = run(grants);
    if (decoding) {
      int rows = turns.stream().mapToInt(turn -> 1 + turn.drafts()).sum();
      speculation.costs().stepTook(rows, System.nanoTime() - start);
    }
    List<SpeculativeDecoder.Part> parts = new ArrayList<>();
    for (Turn turn : turns) {
      parts.add(turn.part(turn.job()));
      if (turn.ready()) {
        List<Request> siblings = promptRead(turn.job());
        draw(turn.job(), turn.output(), turn.drafts(), drawn, over);
        siblings.forEach(sibling -> draw(sibling, turn.output(), 0, drawn, over));
        siblings.forEach(sibling -> parts.add(turn.part(sibling)));
      }
    }
    parts.removeIf(part -> over.containsKey(part.job()));
    speculation.draft(parts, scheduler.running());
    return turns;
  }

  private List<Turn> run(List<Grant<Request>> grants) {
    List<Chunk> chunks = new ArrayList<>();
    List<Turn> turns = new ArrayList<>();
    int row = 0;
    int output = 0;
    int spareOutputs = Step.MAX_OUTPUTS - grants.size();
    for (Grant<Request> grant : grants) {
      Request job = grant.entry();
      Sequence sequence = job.sequence().orElseThrow();
      boolean ready = grant.tokens() >= job.known();
      int guesses = ready ? Math.min(grant.tokens() - job.known(), spareOutputs) : 0;
      int tokens = ready ? job.known() + guesses : grant.tokens();
      Outputs outputs = !ready ? Outputs.NONE : guesses > 0 ? Outputs.ALL : Outputs.LAST;
      chunks.add(new Chunk(sequence, job.pending(tokens), outputs));
      turns.add(new Turn(job, row, sequence.length(), output, guesses, ready));
      promptTokens += Math.clamp(job.promptLength() - sequence.length(), 0, tokens);
      row += tokens;
      output += ready ? 1 + guesses : 0;
      spareOutputs -= guesses;
    }
    steps.run(
        chunks,
        turns.stream().filter(Turn::ready).mapToInt(t -> t.job().candidates()).max().orElse(0));
    return turns;
  }

  /** The answers that go on from here with a sequence of their own. */
  private List<Request> promptRead(Request job) {
    if (job.sampled() == 0) {
      job.times().promptRead();
      room.publish(job);
    }
    List<Request> joined = new ArrayList<>();
    for (Request sibling : job.siblings()) {
      if (sibling.over()) {
        continue;
      }
      if (scheduler.mayJoin() && room.fork(job, sibling)) {
        scheduler.join(sibling);
        sibling.times().promptRead();
        joined.add(sibling);
      } else {
        scheduler.add(sibling);
      }
    }
    job.siblings().clear();
    return joined;
  }

  private void draw(Request job, int output, int guesses, List<Request> drawn, Map<Request, Outcome> over) {
    if (job.room() <= 0) {
      over.put(job, new Outcome.Done(FinishReason.LENGTH));
      return;
    }
    try {
      drawing.draw(job, output, guesses);
      drawn.add(job);
    } catch (RuntimeException e) {
      over.put(job, Outcome.failed(e));
    }
  }

  private static void tell(List<Turn> turns, List<Request> drawn, Map<Request, Outcome> over) {
    turns.forEach(turn -> guard(turn.job(), over, turn.job()::tellPrompt));
    drawn.forEach(
        job ->
            guard(
                job,
                over,
                () ->
                    job.tellTokens().ifPresent(reason -> over.put(job, new Outcome.Done(reason)))));
  }

  /** What goes wrong with one request's text or listener fails that request. */
  private static void guard(Request job, Map<Request, Outcome> over, Runnable telling) {
    if (over.get(job) instanceof Outcome.Failed) {
      return;
    }
    try {
      telling.run();
    } catch (RuntimeException e) {
      over.put(job, Outcome.failed(e));
    }
  }

  // ---- the end of a request ----

  /** Gives back what the jobs have before anyone hears of it. */
  private void end(Map<Request, Outcome> over) {
    if (over.isEmpty()) {
      return;
    }
    device.lock();
    try {
      for (Request job : over.keySet()) {
        scheduler.remove(job);
        jobs.remove(job.generation());
        if (job.times().deadline().isPresent()) {
          timed.remove(job);
        }
        job.setOver();
      }
      // whoever waited for one of them to read the prompt reads it itself
      over.keySet().forEach(this::promote);
      count();
    } finally {
      device.unlock();
    }
    over.forEach((job, outcome) -> outcome.report(job));
  }

  private void promote(Request job) {
    List<Request> heirs = job.siblings().stream().filter(sibling -> !sibling.over()).toList();
    job.siblings().clear();
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
            promptTokens,
            drawing.tokens(),
            scheduler.preemptions(),
            cache.prefixStats().queriedTokens(),
            cache.prefixStats().foundTokens(),
            drawing.drafts(),
            drawing.draftTokens(),
            drawing.acceptedTokens());
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
