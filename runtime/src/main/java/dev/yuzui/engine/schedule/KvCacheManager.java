package dev.yuzui.engine.schedule;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import java.util.Optional;

/**
 * The KV cache as {@link Scheduler} sees it. A request is let in with pages for its whole prompt,
 * so that only text has to fight for more, and with one left for each that runs already, so that it
 * is not the next to give way; where nobody ever has to, that is not asked.
 */
final class KvCacheManager implements Scheduler.Room<Request> {
  private record Refusal(Request request, int freePages) {}

  private final KvCaches cache;
  private Optional<Refusal> refusal = Optional.empty();

  KvCacheManager(KvCaches cache) {
    this.cache = cache;
  }

  @Override
  public boolean admit(Request request, int running) {
    int free = cache.freePages();
    // looking its tokens up in the cache takes a while: not in every step that changed nothing
    if (running > 0
        && refusal.filter(r -> r.request() == request && free <= r.freePages()).isPresent()) {
      return false;
    }
    Optional<Sequence> sequence = open(request, running);
    sequence.ifPresent(request::hold);
    refusal = sequence.isPresent() ? Optional.empty() : Optional.of(new Refusal(request, free));
    return sequence.isPresent();
  }

  private Optional<Sequence> open(Request request, int running) {
    Sequence sequence;
    try {
      sequence = cache.openSequence(request.tokens());
    } catch (CacheFullException _) {
      return Optional.empty();
    }
    boolean good = false;
    try {
      int[] tokens = request.tokens();
      int found = sequence.adopt(tokens);
      KvCacheStore store = sequence.store();
      good =
          reserve(sequence, tokens.length - found)
              && (store.hasPagesForAll() || store.freePages() >= running);
      if (good) {
        request.times().begin(found);
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
  public boolean reserve(Request request, int tokens) {
    return reserve(request.sequence().orElseThrow(), tokens);
  }

  private static boolean reserve(Sequence sequence, int tokens) {
    try {
      sequence.reserve(tokens);
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }

  /**
   * Gives {@code sibling} the entries of {@code request}, which it shares until one of them writes.
   */
  boolean fork(Request request, Request sibling) {
    try {
      sibling.hold(request.sequence().orElseThrow().fork());
      sibling.times().begin(request.promptLength());
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }

  /** Lets later requests, and this one if it has to give way, find what it has read and made. */
  void publish(Request request) {
    request.sequence().orElseThrow().publish(request.tokens());
  }

  @Override
  public void release(Request request) {
    // a step that failed may have left guesses behind the tokens
    if (request.sequence().orElseThrow().length() <= request.count()) {
      publish(request);
    }
    request.sequence().orElseThrow().close();
    request.letGo();
  }
}
