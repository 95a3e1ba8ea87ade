package dev.yuzui.batch;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One of several equal parts of an input, for processes that know nothing of each other: every
 * {@code count}-th line, from line {@code index} + 1 on. Blank lines count.
 *
 * @param index from 0
 */
public record BatchShard(int index, int count) {
  /** The whole input. */
  public static final BatchShard ALL = new BatchShard(0, 1);

  private static final Pattern TEXT = Pattern.compile("(\\d{1,9})/(\\d{1,9})");

  /**
   * @throws BatchException if there is no such part
   */
  public BatchShard {
    if (count < 1 || index < 0 || index >= count) {
      throw BatchException.expected(
          "Batch.shard",
          "I/N, shard I of N counted from 0, such as 0/4 to 3/4",
          "'" + index + "/" + count + "'");
    }
  }

  /** Reads {@code 3/8}. */
  public static BatchShard parse(String text) {
    Matcher both = TEXT.matcher(text);
    if (!both.matches()) {
      throw BatchException.expected(
          "Batch.shard", "I/N, shard I of N counted from 0, such as 0/4 to 3/4", "'" + text + "'");
    }
    return new BatchShard(Integer.parseInt(both.group(1)), Integer.parseInt(both.group(2)));
  }

  /** Whether a line, counted from 1, is a part of it. */
  boolean has(long line) {
    return (line - 1) % count == index;
  }

  @Override
  public String toString() {
    return index + "/" + count;
  }
}
