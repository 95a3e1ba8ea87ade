package dev.yuzui.cache;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * One sequence's place in the cache: how many entries it has and in which pages. Pages may be
 * shared with forks and with sequences that {@linkplain #adopt adopted} them; a shared page is
 * copied when a write into it is reserved. Not thread-safe; no step that reads or writes the
 * sequence may be under way.
 */
public final class Sequence implements AutoCloseable {
  private final KvCacheStore store;
  private final int slot;
  private int[] pages = new int[4];
  private int pageCount;
  private int length;
  private boolean closed;
  private long stamp;

  /** The most entries that it had since its rings were last written as a whole. */
  private int reached;

  /** Rings as they were at lengths that end a page. */
  private final NavigableMap<Integer, Rings.Copy> copies = new TreeMap<>();

  /** Of the first pages, which are full: those adopted or published so far. */
  private final List<PageKey> keys = new ArrayList<>();

  Sequence(KvCacheStore store, int slot) {
    this.store = store;
    this.slot = slot;
    this.stamp = store.nextStamp();
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
   * A number that no other sequence of the store has; as long as it is the same, pages have only
   * been added behind those that were there.
   */
  public long pagesStamp() {
    return stamp;
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
    boolean rewrites = tokens > 0 && writeFrom < pageCount;
    boolean copy = rewrites && pool.isShared(pages[writeFrom]);
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
      own(writeFrom, length % size);
    } else if (rewrites) {
      pool.withdraw(pages[writeFrom]); // a rollback went into a published page
    }
    if (needed > pages.length) {
      pages = Arrays.copyOf(pages, Math.max(needed, 2 * pages.length));
    }
    while (pageCount < needed) {
      pages[pageCount++] = pool.allocate();
    }
  }

  /**
   * Makes the page of the last entry this sequence's alone, so that entries it has may be written
   * over.
   *
   * @throws CacheFullException when no page is free for a copy; the sequence is as before
   */
  public void ownLastPage() {
    int last = (length - 1) / store.pageTokens();
    if (length > 0 && store.pool().isShared(pages[last])) {
      own(last, length - last * store.pageTokens());
    }
  }

  /** Puts a copy of the first {@code entries} in the place of a page that others hold. */
  private void own(int index, int entries) {
    int own = store.pool().allocate();
    store.copyPage(pages[index], own, entries);
    store.pool().release(pages[index]);
    pages[index] = own;
    stamp = store.nextStamp();
  }

  public int pageTokens() {
    return store.pageTokens();
  }

  /** The reserved {@code tokens} entries have been written. */
  public void advance(int tokens) {
    if (Math.ceilDiv(length + tokens, store.pageTokens()) > pageCount) {
      throw new IllegalStateException("advance by " + tokens + " without a reservation");
    }
    length += tokens;
    reached = Math.max(reached, length);
    if (tokens > 0 && length % store.pageTokens() == 0 && store.rings().present()) {
      Integer before = copies.isEmpty() ? null : copies.lastKey();
      if (before != null && !Rings.stays(before)) {
        copies.remove(before);
      }
      copies.put(length, store.rings().copy(slot));
    }
  }

  /**
   * Whether {@link #truncate} to a length leaves a sequence that can go on: what is kept of the
   * last tokens alone is known for few of them.
   */
  public boolean canTruncate(int newLength) {
    return newLength == 0
        || reached - newLength <= store.rings().drafts()
        || !store.rings().present();
  }

  /** Whether it keeps more than what is in pages. */
  public boolean hasRings() {
    return store.rings().present();
  }

  /** A place to come back to, see {@link #mark}. */
  public record Mark(int length, Rings.Copy rings) {}

  /** Remembers where the sequence is, to come back to it from any greater length. */
  public Mark mark() {
    boolean rings = store.rings().present();
    return new Mark(length, rings ? store.rings().copy(slot) : new Rings.Copy(new byte[0]));
  }

  /** Forgets the entries behind a mark that was made of this sequence. */
  public void reset(Mark mark) {
    if (store.rings().present()) {
      store.rings().restore(mark.rings(), slot);
      reached = mark.length();
    }
    truncate(mark.length());
    ringsBeginHere();
  }

  /** The rings hold what the next step needs, and nothing to go back by. */
  void ringsBeginHere() {
    reached = length + store.rings().drafts();
  }

  /**
   * Forgets entries from {@code newLength} on and frees their pages; touches no tensor.
   *
   * @throws IllegalStateException if {@link #canTruncate} says no
   */
  public void truncate(int newLength) {
    if (newLength < 0 || newLength > length) {
      throw new IllegalArgumentException("truncate to " + newLength + " of " + length + " entries");
    }
    if (!canTruncate(newLength)) {
      throw new IllegalStateException(
          "truncate to %d of a sequence that had %d entries: what it kept of its last tokens is known for %d back"
              .formatted(newLength, reached, store.rings().drafts()));
    }
    if (newLength == 0) {
      reached = 0;
    }
    if (!copies.isEmpty()) {
      copies.tailMap(newLength, false).clear();
    }
    length = newLength;
    int full = newLength / store.pageTokens();
    if (full < keys.size()) {
      keys.subList(full, keys.size()).clear();
    }
    int keep = Math.ceilDiv(newLength, store.pageTokens());
    if (pageCount > keep) {
      stamp = store.nextStamp();
    }
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
    other.keys.addAll(keys);
    if (store.rings().present() && length > 0) {
      store.rings().restore(store.rings().copy(slot), other.slot);
      other.reached = reached;
      other.copies.putAll(copies);
    }
    return other;
  }

  /**
   * Shares the longest run of published pages that begins {@code tokens}; at least one token is
   * left to be read, since its logits are wanted. The entries of MTP layers come along; the last of
   * a page was made with the token that followed it in the text that was read first.
   *
   * @param tokens of a prompt
   * @return entries found, whole pages; now {@link #length}
   * @throws IllegalStateException if the sequence has entries
   */
  public int adopt(int[] tokens) {
    if (length > 0) {
      throw new IllegalStateException("a sequence of " + length + " entries cannot adopt others");
    }
    truncate(0); // pages reserved and not written
    int size = store.pageTokens();
    int most = Math.min((tokens.length - 1) / size, store.pagesPerSequence());
    PagePool pool = store.pool();
    PageKey key = PageKey.ROOT;
    most = Math.min(most, store.published(tokens) / size);
    while (pageCount < most) {
      key = key.next(tokens, pageCount * size, size);
      OptionalInt page = pool.find(key);
      if (page.isEmpty()) {
        break;
      }
      pool.retain(page.getAsInt());
      if (pageCount == pages.length) {
        pages = Arrays.copyOf(pages, 2 * pages.length);
      }
      pages[pageCount++] = page.getAsInt();
      keys.add(key);
    }
    length = pageCount * size;
    if (length > 0 && store.rings().present()) {
      store.rings().restore(key, slot);
    }
    ringsBeginHere();
    store.countAdopted(tokens.length, length);
    return length;
  }

  /**
   * Lets {@link #adopt} find this sequence's full pages, also after it is closed, until their
   * memory is wanted. Costs what the pages filled since the last call do. Where an equal page can
   * be found already, that one stays.
   *
   * @param tokens of the entries 0 … {@link #length}; what follows them is not looked at
   */
  public void publish(int[] tokens) {
    if (tokens.length < length) {
      throw new IllegalArgumentException(tokens.length + " tokens for " + length + " entries");
    }
    int size = store.pageTokens();
    for (int i = keys.size(); i < length / size; i++) {
      PageKey before = i == 0 ? PageKey.ROOT : keys.getLast();
      PageKey key = before.next(tokens, i * size, size);
      store.pool().publish(key, pages[i]);
      keys.add(key);
    }
    copies.forEach((at, copy) -> store.rings().publish(keys.get(at / size - 1), copy));
  }

  /** Whose pages it has. */
  public KvCacheStore store() {
    return store;
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
