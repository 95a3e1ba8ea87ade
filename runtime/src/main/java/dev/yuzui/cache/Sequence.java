package dev.yuzui.cache;

import java.util.Arrays;

/**
 * One sequence's place in the cache: how many entries it has and in which pages. Pages may be
 * shared with forks; a shared page is copied when a write into it is reserved. Not thread-safe; no
 * step that reads or writes the sequence may be under way.
 */
public final class Sequence implements AutoCloseable {
  private final LatentCacheStore store;
  private final int slot;
  private int[] pages = new int[4];
  private int pageCount;
  private int length;
  private boolean closed;

  Sequence(LatentCacheStore store, int slot) {
    this.store = store;
    this.slot = slot;
  }

  /** Row of the page table. */
  public int slot() {
    return slot;
  }

  /** Entries in use. */
  public int length() {
    return length;
  }

  /** Page of the entries i·pageTokens …. */
  public int page(int i) {
    if (i >= pageCount) {
      throw new IndexOutOfBoundsException("page " + i + " of " + pageCount);
    }
    return pages[i];
  }

  public int pageCount() {
    return pageCount;
  }

  /**
   * Makes room to write {@code tokens} entries from {@link #length} on.
   *
   * @throws CacheFullException when too few pages are free; the sequence is as before
   */
  public void reserve(int tokens) {
    int size = store.pageTokens();
    int needed = Math.ceilDiv(length + tokens, size);
    if (needed > store.pagesPerSequence()) {
      throw new CacheFullException(
          "a sequence of "
              + (length + tokens)
              + " tokens exceeds the context of "
              + store.pagesPerSequence() * size);
    }
    PagePool pool = store.pool();
    int writeFrom = length / size;
    boolean copy = tokens > 0 && writeFrom < pageCount && pool.isShared(pages[writeFrom]);
    int fresh = Math.max(0, needed - pageCount) + (copy ? 1 : 0);
    if (fresh > pool.freePages()) {
      throw new CacheFullException(
          fresh
              + " pages are needed and "
              + pool.freePages()
              + " of "
              + store.pages()
              + " are free");
    }
    if (copy) {
      int own = pool.allocate();
      store.copyPage(pages[writeFrom], own, length % size);
      pool.release(pages[writeFrom]);
      pages[writeFrom] = own;
    }
    if (needed > pages.length) {
      pages = Arrays.copyOf(pages, Math.max(needed, 2 * pages.length));
    }
    while (pageCount < needed) {
      pages[pageCount++] = pool.allocate();
    }
  }

  /** The reserved {@code tokens} entries have been written. */
  public void advance(int tokens) {
    if (Math.ceilDiv(length + tokens, store.pageTokens()) > pageCount) {
      throw new IllegalStateException("advance by " + tokens + " without a reservation");
    }
    length += tokens;
  }

  /** Forgets entries from {@code newLength} on and frees their pages; touches no tensor. */
  public void truncate(int newLength) {
    if (newLength < 0 || newLength > length) {
      throw new IllegalArgumentException("truncate to " + newLength + " of " + length + " entries");
    }
    length = newLength;
    int keep = Math.ceilDiv(newLength, store.pageTokens());
    while (pageCount > keep) {
      store.pool().release(pages[--pageCount]);
    }
  }

  /** A second sequence with the same entries; pages are shared until one of the two writes. */
  public Sequence fork() {
    Sequence other = new Sequence(store, store.takeSlot());
    other.pages = pages.clone();
    other.pageCount = Math.ceilDiv(length, store.pageTokens());
    other.length = length;
    for (int i = 0; i < other.pageCount; i++) {
      store.pool().retain(pages[i]);
    }
    return other;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      truncate(0);
      store.freeSlot(slot);
    }
  }
}
