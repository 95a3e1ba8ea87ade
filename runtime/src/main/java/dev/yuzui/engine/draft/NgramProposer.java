package dev.yuzui.engine.draft;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Prompt lookup: what followed the last tokens when they came up before is likely to follow again,
 * as it does where a text quotes, edits or lists. The longest match decides, of those the most
 * recent. Costs the same for each token, however long the text is.
 *
 * <p>How many drafts there are is a matter of how the last ones fared. All right: twice as many.
 * Else the mean of how many there might have been and how many were right; where that has come down
 * to one, a match of the shortest length is held for chance, as in prose most are. A step that
 * checks eight drafts in vain costs a model with experts nearly five plain ones.
 */
public final class NgramProposer {
  /** Of one length: where each run of that many tokens ended last. */
  private final class Index {
    private final int length;
    private int[] ends = new int[64]; // open addressing; −1 is free
    private int used;

    Index(int length) {
      this.length = length;
      Arrays.fill(ends, -1);
    }

    /** Enters the run that ends at {@code end}; where it ended before, −1 if nowhere. */
    int replace(int end) {
      if (end + 1 < length) {
        return -1;
      }
      if (2 * used >= ends.length) {
        grow();
      }
      int slot = slot(end);
      int before = ends[slot];
      ends[slot] = end;
      used += before < 0 ? 1 : 0;
      return before;
    }

    private int slot(int end) {
      int hash = length;
      for (int i = end - length + 1; i <= end; i++) {
        hash = (hash ^ tokens[i]) * 0x9E3779B1;
        hash ^= hash >>> 15;
      }
      int slot = hash & ends.length - 1;
      while (ends[slot] >= 0 && !same(ends[slot], end)) {
        slot = slot + 1 & ends.length - 1;
      }
      return slot;
    }

    private boolean same(int a, int b) {
      return Arrays.equals(tokens, a - length + 1, a + 1, tokens, b - length + 1, b + 1);
    }

    private void grow() {
      int[] old = ends;
      ends = new int[2 * old.length];
      Arrays.fill(ends, -1);
      for (int end : old) {
        if (end >= 0) {
          ends[slot(end)] = end;
        }
      }
    }
  }

  private final Index[] indexes; // longest first
  private final int most;
  private double trusted;
  private int[] tokens = new int[64];
  private int count;
  private int match = -1;
  private int matched;

  /**
   * @param most drafts at a time
   * @param lengths of matches, in tokens, longest first
   */
  public NgramProposer(int most, int... lengths) {
    boolean falling = IntStream.range(1, lengths.length).allMatch(i -> lengths[i] < lengths[i - 1]);
    if (lengths.length == 0 || lengths[lengths.length - 1] < 1 || !falling) {
      throw new IllegalArgumentException("matches of " + Arrays.toString(lengths) + " tokens");
    }
    this.most = most;
    this.trusted = most;
    indexes = IntStream.of(lengths).mapToObj(Index::new).toArray(Index[]::new);
  }

  /** The text goes on with {@code more}. */
  public void append(int... more) {
    for (int token : more) {
      if (count == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * count);
      }
      tokens[count++] = token;
      match = -1;
      for (Index index : indexes) {
        int before = index.replace(count - 1);
        if (match < 0 && before >= 0) {
          match = before;
          matched = index.length;
        }
      }
    }
  }

  /**
   * What may follow the text, at most {@code room} tokens or, without a match, none. Where the
   * match reaches the end of the text, the drafts themselves follow.
   */
  public int[] draft(int room) {
    boolean chance = trusted < Math.min(2, most) && matched == indexes[indexes.length - 1].length;
    int[] drafts = new int[match < 0 || chance ? 0 : Math.min(room, (int) trusted)];
    int period = count - 1 - match;
    for (int i = 0; i < drafts.length; i++) {
      drafts[i] = i < period ? tokens[match + 1 + i] : drafts[i - period];
    }
    return drafts;
  }

  /** Of {@code tried} drafts the first {@code right} came true. */
  public void checked(int tried, int right) {
    trusted = right == tried ? Math.min(most, 2 * trusted) : Math.max(1, (trusted + right) / 2);
  }
}
