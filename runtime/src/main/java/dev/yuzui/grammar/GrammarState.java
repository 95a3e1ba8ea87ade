package dev.yuzui.grammar;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * How far a text is in its grammar. For one sequence and one thread; {@link #copy} is cheap. What
 * is asked of a grammar that has become too ambiguous to follow throws {@link GrammarException}.
 *
 * <pre>
 *   draw a token; if !state.accepts(token): state.mask(words), draw again among those
 *   state.accept(token)
 *   drafts: accept while accepts, then rollback(how many were not kept)
 * </pre>
 */
public final class GrammarState {
  /** Bytes that {@link #forced} looks ahead. */
  private static final int MOST_FORCED = 4096;

  private final Grammar grammar;

  /** Before each token, the first of all at the front. */
  private final List<Config> before;

  private Config now;
  private boolean ended;

  GrammarState(Grammar grammar, Config start) {
    this(grammar, new ArrayList<>(), start, false);
  }

  private GrammarState(Grammar grammar, List<Config> before, Config now, boolean ended) {
    this.grammar = grammar;
    this.before = before;
    this.now = now;
    this.ended = ended;
  }

  public Grammar grammar() {
    return grammar;
  }

  /** Whether {@code token} may come next; costs its bytes, no mask. */
  public boolean accepts(int token) {
    requireToken(token);
    return grammar.vocabulary().ends().get(token) ? mayEnd() : !ended && !behind(token).isDead();
  }

  /** Goes on by a token that {@link #accepts} allows; any other is a mistake of the caller's. */
  public void accept(int token) {
    if (!accepts(token)) {
      throw new GrammarException(
          "token " + token + ": expected one that the grammar allows here, found another");
    }
    before.add(now);
    if (grammar.vocabulary().ends().get(token)) {
      ended = true;
    } else {
      now = behind(token);
    }
  }

  /**
   * Goes on by the bytes of an unfinished token, as where a grammar begins within one; false, and
   * nothing happens, if they may not come next. They cannot be taken back.
   */
  public boolean acceptBytes(byte[] bytes) {
    Config next = behind(bytes);
    if (ended || next.isDead()) {
      return false;
    }
    now = next;
    return true;
  }

  private Config behind(int token) {
    byte[] bytes = grammar.vocabulary().bytes()[token];
    return bytes.length == 0 ? grammar.machine().dead() : behind(bytes);
  }

  private Config behind(byte[] bytes) {
    Config at = now;
    for (int i = 0; i < bytes.length && !at.isDead(); i++) {
      at = at.next(bytes[i] & 255, grammar.machine());
    }
    return at;
  }

  private void requireToken(int token) {
    if (token < 0 || token >= grammar.vocabulary().size()) {
      throw new GrammarException(
          "token: expected 0 to " + (grammar.vocabulary().size() - 1) + ", found " + token);
    }
  }

  /**
   * Sets the bit of each token that may come next, and clears all others of {@code words}; those
   * that end a text are set where it may end.
   */
  public void mask(long[] words) {
    if (ended) {
      Arrays.fill(words, 0);
    } else {
      grammar.mask(now, words);
    }
  }

  public BitSet mask() {
    long[] words = new long[grammar.vocabulary().words()];
    mask(words);
    return BitSet.valueOf(words);
  }

  /** Whether the text is whole as it is. */
  public boolean mayEnd() {
    return !ended && now.accepting;
  }

  /** Whether a token that ends a text was accepted. */
  public boolean ended() {
    return ended;
  }

  /** Whether the text is whole and nothing may follow but its end. */
  public boolean complete() {
    return ended || (now.accepting && now.threads.isEmpty());
  }

  /**
   * Whether the vocabulary has no token that goes on, though the text must: it lacks one of the
   * grammar's bytes.
   */
  public boolean stuck() {
    return !ended && !now.accepting && mask().isEmpty();
  }

  /**
   * The bytes that must come next, whatever the model thinks; may end within a character. They may
   * be tokenised together with the text before them, and accepted, without running the model.
   */
  public byte[] forced() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Config at = now;
    while (!ended && out.size() < MOST_FORCED) {
      int value = at.forced(grammar.machine());
      if (value == Config.DEAD) {
        break;
      }
      out.write(value);
      at = at.next(value, grammar.machine());
    }
    return out.toByteArray();
  }

  /**
   * {@link #forced} as tokens, the longest at each place. The last ones are left out where a longer
   * token might be written that goes beyond what is forced.
   */
  public int[] forcedTokens() {
    return grammar.forcedTokens(forced());
  }

  /** Tokens accepted so far. */
  public int length() {
    return before.size();
  }

  /** Takes back the last {@code tokens}. */
  public void rollback(int tokens) {
    if (tokens < 0 || tokens > before.size()) {
      throw new GrammarException(
          "tokens to take back: expected 0 to " + before.size() + ", found " + tokens);
    }
    if (tokens > 0) {
      int left = before.size() - tokens;
      now = before.get(left);
      before.subList(left, before.size()).clear();
      ended = false;
    }
  }

  /** Another that goes on from here; it can take back as much as this one. */
  public GrammarState copy() {
    return new GrammarState(grammar, new ArrayList<>(before), now, ended);
  }

  Config config() {
    return now;
  }
}
