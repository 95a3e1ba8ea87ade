package dev.yuzui.sampling;

import java.util.Arrays;

/** How often each token is in a bag that tokens enter and leave, and which are in it at all. */
final class TokenCounts {
  private final int[] count;

  /** Where a token that is in the bag stands in {@code tokens}. */
  private final int[] place;

  private int[] tokens = new int[64];
  private int size;

  /**
   * @param vocabulary ids from there on are not counted
   */
  TokenCounts(int vocabulary) {
    count = new int[vocabulary];
    place = new int[vocabulary];
  }

  void add(int id) {
    if (id < count.length && count[id]++ == 0) {
      if (size == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * size);
      }
      place[id] = size;
      tokens[size++] = id;
    }
  }

  void remove(int id) {
    if (id < count.length && --count[id] == 0) {
      int last = tokens[--size];
      tokens[place[id]] = last;
      place[last] = place[id];
    }
  }

  /** Different tokens. */
  int size() {
    return size;
  }

  /** One of them, in no order that means anything. */
  int token(int i) {
    return tokens[i];
  }

  int count(int id) {
    return count[id];
  }
}
