package dev.yuzui.cache;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedSet;

/**
 * Which pages are free, how many sequences hold each of the others, and which may be found by what
 * they contain. A published page that nobody holds keeps its entries until its memory is wanted:
 * the one released longest ago goes first. Not thread-safe.
 */
final class PagePool {
  private final int[] free;
  private int freeCount;
  private final int[] holders;
  private final PageKey[] keys; // null where a page is not published
  private final Map<PageKey, Integer> published = new HashMap<>();
  private final SequencedSet<Integer> idle = new LinkedHashSet<>(); // published, held by nobody
  private long evicted;

  PagePool(int pages) {
    free = new int[pages];
    holders = new int[pages];
    keys = new PageKey[pages];
    freeCount = pages;
    Arrays.setAll(free, i -> pages - 1 - i); // page 0 is handed out first
  }

  int allocate() {
    if (freeCount == 0) {
      if (idle.isEmpty()) {
        throw new CacheFullException("all " + free.length + " pages of the KV cache are in use");
      }
      withdraw(idle.getFirst());
      evicted++;
    }
    int page = free[--freeCount];
    holders[page] = 1;
    return page;
  }

  void retain(int page) {
    if (holders[page]++ == 0 && !idle.remove(page)) {
      throw new IllegalStateException("page " + page + " is free and cannot be shared");
    }
  }

  void release(int page) {
    if (holders[page] <= 0) {
      throw new IllegalStateException("page " + page + " is released twice");
    }
    if (--holders[page] > 0) {
      return;
    }
    if (keys[page] == null) {
      free[freeCount++] = page;
    } else {
      idle.addLast(page);
    }
  }

  boolean isShared(int page) {
    return holders[page] > 1;
  }

  /** The page published under {@code key}. */
  OptionalInt find(PageKey key) {
    Integer page = published.get(key);
    return page == null ? OptionalInt.empty() : OptionalInt.of(page);
  }

  /** Makes a held page findable, unless an equal one already is. */
  void publish(PageKey key, int page) {
    if (keys[page] == null && published.putIfAbsent(key, page) == null) {
      keys[page] = key;
    }
  }

  /** The page is not what its key says any more, or nobody shall find it; a no-op for others. */
  void withdraw(int page) {
    if (keys[page] == null) {
      return;
    }
    published.remove(keys[page]);
    keys[page] = null;
    if (idle.remove(page)) {
      free[freeCount++] = page;
    }
  }

  void withdrawAll() {
    for (int page = 0; page < keys.length; page++) {
      withdraw(page);
    }
  }

  /** Those that only wait to be found count as free. */
  int freePages() {
    return freeCount + idle.size();
  }

  int idlePages() {
    return idle.size();
  }

  long evicted() {
    return evicted;
  }
}
