package dev.yuzui.engine.schedule;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.LatentCaches;
import dev.yuzui.cache.Sequence;
import java.util.Optional;

/**
 * The latent cache as {@link Scheduler} sees it. A request is let in with pages for its whole
 * prompt, so that only text has to fight for more, and with one left for each that runs already, so
 * that it is not the next to give way.
 */
final class KvCacheManager implements Scheduler.Room<Request> {
  private record Refusal(Request job, int freePages) {}

  private final LatentCaches cache;
  private Optional<Refusal> refusal = Optional.empty();

  KvCacheManager(LatentCaches cache) {
    this.cache = cache;
  }

  @Override
  public boolean admit(Request job, int running) {
    int free = cache.freePages();
    // looking its tokens up in the cache takes a while: not in every step that changed nothing
    if (running > 0 && refusal.filter(r -> r.job() == job && free <= r.freePages()).isPresent()) {
      return false;
    }
    Optional<Sequence> sequence = open(job, running);
    sequence.ifPresent(job::hold);
    refusal = sequence.isPresent() ? Optional.empty() : Optional.of(new Refusal(job, free));
    return sequence.isPresent();
  }

  private Optional<Sequence> open(Request job, int running) {
    Sequence sequence;
    try {
      sequence = cache.openSequence(job.tokens());
    } catch (CacheFullException _) {
      return Optional.empty();
    }
    boolean good = false;
    try {
      int[] tokens = job.tokens();
      int found = sequence.adopt(tokens);
      good = reserve(sequence, tokens.length - found) && sequence.store().freePages() >= running;
      if (good) {
        job.times().begin(found);
      }
      return good ? Optional.of(sequence) : Optional.empty();
    } finally {
      if (!good) {
        sequence.close();
      }
    }
  }

  @Override
  public boolean sharesRoom(Request a, Request b) {
    return a.sequence().orElseThrow().store() == b.sequence().orElseThrow().store();
  }

  @Override
  public boolean reserve(Request job, int tokens) {
    return reserve(job.sequence().orElseThrow(), tokens);
  }

  private static boolean reserve(Sequence sequence, int tokens) {
    try {
      sequence.reserve(tokens);
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }

  /** Gives {@code sibling} the entries of {@code job}, which it shares until one of them writes. */
  boolean fork(Request job, Request sibling) {
    try {
      sibling.hold(job.sequence().orElseThrow().fork());
      sibling.times().begin(job.promptLength());
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }

  /** Lets later requests, and this one if it has to give way, find what it has read and made. */
  void publish(Request job) {
    job.sequence().orElseThrow().publish(job.tokens());
  }

  @Override
  public void release(Request job) {
    // a step that failed may have left guesses behind the tokens
    if (job.sequence().orElseThrow().length() <= job.count()) {
      publish(job);
    }
    job.sequence().orElseThrow().close();
    job.letGo();
  }
}
