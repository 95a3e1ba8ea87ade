package dev.yuzui.engine.draft;

import dev.yuzui.cache.Sequence;
import java.util.Optional;

/**
 * What a draft model's cache holds of one text: tokens that are known, and behind them drafts,
 * which stay where they turn out right. Used by the engine's thread.
 */
public final class DraftText {
  private Optional<Sequence> sequence = Optional.empty();
  private int known;
  private int[] drafted = {};

  /** Tokens of the text that it need not be told again. */
  public int known() {
    return known;
  }

  boolean isOpen() {
    return sequence.isPresent();
  }

  Sequence sequence() {
    return sequence.orElseThrow();
  }

  /**
   * @param adopted entries of the sequence, of the text's first tokens
   */
  void open(Sequence opened, int adopted) {
    sequence = Optional.of(opened);
    known = adopted;
  }

  /**
   * Keeps the drafts that the text has become.
   *
   * @param more the text's tokens from {@link #known} on
   * @return how many of them are in the cache
   */
  int confirm(int[] more) {
    int right = 0;
    while (right < Math.min(drafted.length, more.length) && drafted[right] == more[right]) {
      right++;
    }
    known += right;
    drafted = new int[0];
    sequence.ifPresent(s -> s.truncate(known));
    return right;
  }

  /** The text's next tokens have been appended. */
  void advance(int tokens) {
    known += tokens;
  }

  /** Drafts have been appended. */
  void guess(int[] drafts) {
    drafted = drafts;
  }

  /**
   * Lets other texts that begin the same find its pages.
   *
   * @param tokens the whole text
   */
  public void publish(int[] tokens) {
    sequence.filter(s -> s.length() <= tokens.length).ifPresent(s -> s.publish(tokens));
  }

  /** Gives its pages back; what the cache held of it has to be told again. */
  public void close() {
    sequence.ifPresent(Sequence::close);
    sequence = Optional.empty();
    known = 0;
    drafted = new int[0];
  }
}
