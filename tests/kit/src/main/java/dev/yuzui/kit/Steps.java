package dev.yuzui.kit;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The contents of a {@code StepBatch}, in two variants of one size. */
public record Steps(
    Values token, Values position, Values sequence, Values kvLength, Values pages, int pageTokens) {

  /** One variant: what each row of a step is, and where each sequence's pages lie. */
  public record Step(int[] position, int[] sequence, int[] kvLength, int[][] pages) {

    /** The row of the cache that entry {@code i} of {@code sequence} lies in. */
    int cacheRow(int sequence, int i, int pageTokens) {
      return pages[sequence][i / pageTokens] * pageTokens + i % pageTokens;
    }

    int tokens() {
      return position.length;
    }

    /** Rows that are no padding; they come first. */
    int real() {
      int n = 0;
      while (n < sequence.length && sequence[n] >= 0) {
        n++;
      }
      return n;
    }
  }

  /** {@code count} tokens of a sequence from {@code start} on. */
  public record Span(int start, int count) {}

  public static Span span(int start, int count) {
    return new Span(start, count);
  }

  public static Steps of(int pageTokens, Step first, Step second) {
    int t = first.tokens();
    return new Steps(
        ints(t, new int[t], new int[t]),
        ints(t, first.position(), second.position()),
        ints(t, first.sequence(), second.sequence()),
        ints(t, first.kvLength(), second.kvLength()),
        table(first.pages(), second.pages()),
        pageTokens);
  }

  /** Both variants alike. */
  public static Steps of(int pageTokens, Step step) {
    return of(pageTokens, step, step);
  }

  /**
   * Sequence i holds {@code spans.get(i)}; rows beyond are padding up to {@code tokens}. Pages are
   * dealt out of a shuffled pool of {@code pool} pages.
   */
  public static Step step(int tokens, int pageTokens, int pool, long seed, List<Span> spans) {
    List<Integer> free = new ArrayList<>();
    for (int p = 0; p < pool; p++) {
      free.add(p);
    }
    Collections.shuffle(free, new Random(seed));
    int perSequence = Math.max(1, pool / spans.size());
    int[][] pages = new int[spans.size()][perSequence];
    for (int[] row : pages) {
      for (int i = 0; i < row.length; i++) {
        row[i] = free.removeFirst();
      }
    }
    int[] position = new int[tokens];
    int[] sequence = new int[tokens];
    int[] kvLength = new int[tokens];
    java.util.Arrays.fill(sequence, -1);
    int t = 0;
    for (int s = 0; s < spans.size(); s++) {
      for (int i = 0; i < spans.get(s).count(); i++, t++) {
        position[t] = spans.get(s).start() + i;
        sequence[t] = s;
        kvLength[t] = position[t] + 1;
      }
    }
    return new Step(position, sequence, kvLength, pages);
  }

  /** {@code tokens} rows of one sequence, for ops that only look for padding. */
  public static Steps plain(int tokens, int padding) {
    Step step = step(tokens, 1, tokens, 1, List.of(span(0, tokens - padding)));
    return of(1, step);
  }

  public int tokens() {
    return position.cols();
  }

  private static Values ints(int tokens, int[] first, int[] second) {
    return new Values(1, tokens, variant -> floats(variant == 0 ? first : second));
  }

  private static Values table(int[][] first, int[][] second) {
    return new Values(
        first.length,
        first[0].length,
        variant -> {
          float[] out = new float[first.length * first[0].length];
          int i = 0;
          for (int[] row : variant == 0 ? first : second) {
            for (int page : row) {
              out[i++] = page;
            }
          }
          return out;
        });
  }

  private static float[] floats(int[] x) {
    float[] y = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i];
    }
    return y;
  }
}
