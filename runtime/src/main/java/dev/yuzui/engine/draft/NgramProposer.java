package dev.yuzui.engine.draft;

import java.util.Arrays;

/**
 * Prompt lookup: what followed the last tokens when they came up before is likely to follow again,
 * as it does where a text quotes, edits or lists. The longest match decides, of those the most
 * recent. Costs the same for each token, however long the text is.
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
  private int[] tokens = new int[64];
  private int count;
  private int match = -1;

  /**
   * @param shortest tokens that have to match
   * @param longest tokens that are compared
   */
  public NgramProposer(int shortest, int longest) {
    if (shortest < 1 || longest < shortest) {
      throw new IllegalArgumentException("matches of " + shortest + " to " + longest + " tokens");
    }
    indexes = new Index[longest - shortest + 1];
    Arrays.setAll(indexes, i -> new Index(longest - i));
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
        match = match < 0 ? before : match;
      }
    }
  }

  /**
   * What may follow the text, {@code most} tokens or, without a match, none. Where the match
   * reaches the end of the text, the drafts themselves follow.
   */
  public int[] draft(int most) {
    int[] drafts = new int[match < 0 ? 0 : most];
    int period = count - 1 - match;
    for (int i = 0; i < drafts.length; i++) {
      drafts[i] = i < period ? tokens[match + 1 + i] : drafts[i - period];
    }
    return drafts;
  }
}
