package dev.yuzui.grammar;

import java.util.BitSet;

/**
 * What tokens do from one state of a terminal, whatever stands around it.
 *
 * @param stay tokens whose whole text the terminal goes on with
 * @param behind of tokens in whose midst the terminal may end, what they say from there on
 * @param except tokens that are in neither, though they are in both
 */
record TokenSets(Stay stay, TokenTrie behind, long[] except) {
  static final long[] NO_EXCEPTIONS = {};

  /** A set of tokens, by what takes less room. */
  sealed interface Stay {
    record Few(int[] tokens) implements Stay {}

    record Many(long[] words) implements Stay {}

    static Stay of(BitSet tokens) {
      return tokens.cardinality() < 512
          ? new Few(tokens.stream().toArray())
          : new Many(tokens.toLongArray());
    }
  }

  void addStay(long[] mask) {
    switch (stay) {
      case Stay.Few few -> {
        for (int token : few.tokens()) {
          add(mask, token);
        }
      }
      case Stay.Many many -> {
        long[] words = many.words();
        int both = Math.min(words.length, except.length);
        for (int i = 0; i < both; i++) {
          mask[i] |= words[i] & ~except[i];
        }
        for (int i = both; i < words.length; i++) {
          mask[i] |= words[i];
        }
      }
    }
  }

  /** Adds a token of {@link #behind}. */
  void add(long[] mask, int token) {
    int word = token >> 6;
    if (word >= except.length || (except[word] >>> token & 1) == 0) {
      mask[word] |= 1L << token;
    }
  }

  TokenSets without(BitSet tokens) {
    return new TokenSets(stay, behind, tokens.toLongArray());
  }
}
