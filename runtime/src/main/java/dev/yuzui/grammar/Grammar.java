package dev.yuzui.grammar;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A compiled grammar, bound to a vocabulary. Any number of threads may use it; what they find out
 * about its states is kept for all of them.
 */
public final class Grammar {
  /** Masks that are kept: 16 KB each for a vocabulary of 128 K. */
  private static final int MOST_MASKS = 128;

  private final GrammarVocabulary vocabulary;
  private final TokenWalker walker;
  private final Machine machine;
  private final AtomicInteger masks = new AtomicInteger();

  Grammar(GrammarVocabulary vocabulary, TokenWalker walker, Machine machine) {
    this.vocabulary = vocabulary;
    this.walker = walker;
    this.machine = machine;
  }

  /** Of a text that has not begun. */
  public GrammarState start() {
    return new GrammarState(this, machine.start());
  }

  public GrammarVocabulary vocabulary() {
    return vocabulary;
  }

  Machine machine() {
    return machine;
  }

  /** Whether {@code text} is one that the grammar allows. */
  public boolean matches(byte[] text) {
    Config at = machine.start();
    for (byte b : text) {
      at = at.next(b & 255, machine);
      if (at.isDead()) {
        return false;
      }
    }
    return at.accepting;
  }

  void mask(Config config, long[] words) {
    if (words.length < vocabulary.words()) {
      throw new GrammarException(
          "a mask: expected at least "
              + vocabulary.words()
              + " words for "
              + vocabulary.size()
              + " tokens, found "
              + words.length);
    }
    var kept = config.mask();
    if (kept.isPresent()) {
      System.arraycopy(kept.get(), 0, words, 0, kept.get().length);
      Arrays.fill(words, kept.get().length, words.length, 0);
      return;
    }
    Arrays.fill(words, 0);
    for (Config.Thread thread : config.threads) {
      for (int kind = 0; kind < walker.kinds(); kind++) {
        TokenSets sets = walker.sets(thread.state(), kind);
        sets.addStay(words);
        if (thread.after() != null && sets.behind().size() > 0) {
          walk(sets, machine.after(thread.after()), words);
        }
      }
    }
    if (config.accepting) {
      vocabulary.ends().stream().forEach(id -> words[id >> 6] |= 1L << id);
    }
    if (config.askedAgain() && masks.get() < MOST_MASKS && masks.incrementAndGet() <= MOST_MASKS) {
      config.mask(Arrays.copyOf(words, vocabulary.words()));
    }
  }

  int[] forcedTokens(byte[] text) {
    return walker.tokens(text);
  }

  private void walk(TokenSets sets, Config start, long[] words) {
    TokenTrie trie = sets.behind();
    Config[] path = new Config[trie.deepest + 1];
    path[0] = start;
    int size = trie.size();
    for (int i = 0; i < size; ) {
      int depth = trie.depth[i];
      Config next = path[depth].next(trie.value[i] & 255, machine);
      if (next.isDead()) {
        i = trie.end[i];
        continue;
      }
      path[depth + 1] = next;
      for (int t = trie.from[i]; t < trie.from[i + 1]; t++) {
        sets.add(words, trie.tokens[t]);
      }
      i++;
    }
  }
}
