package dev.yuzui.cache;

import java.util.Arrays;

/** Which pages are free, and how many sequences hold each of the others. Not thread-safe. */
final class PagePool {
  private final int[] free;
  private final int[] holders;
  private int freeCount;

  PagePool(int pages) {
    free = new int[pages];
    holders = new int[pages];
    freeCount = pages;
    Arrays.setAll(free, i -> pages - 1 - i); // page 0 is handed out first
  }

  int allocate() {
    if (freeCount == 0) {
      throw new CacheFullException("all " + free.length + " pages of the latent cache are in use");
    }
    int page = free[--freeCount];
    holders[page] = 1;
    return page;
  }

  void retain(int page) {
    holders[page]++;
  }

  void release(int page) {
    if (holders[page] <= 0) {
      throw new IllegalStateException("page " + page + " is released twice");
    }
    if (--holders[page] == 0) {
      free[freeCount++] = page;
    }
  }

  boolean isShared(int page) {
    return holders[page] > 1;
  }

  int freePages() {
    return freeCount;
  }
}
