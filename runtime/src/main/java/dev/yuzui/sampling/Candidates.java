package dev.yuzui.sampling;

import java.util.Arrays;

/**
 * The tokens still in play and their logits. A candidate is one long, logit above id, that sorts by
 * falling logit and, among equals, by rising id: order never depends on how the selection ran.
 * Probabilities are softmax at temperature 1, summed in double.
 */
final class Candidates {
  /** Selections start this small: of 129 280 tokens, a few hundred hold nearly all probability. */
  private static final int FIRST_GUESS = 256;

  private final long[] keys;
  private final long[] spare;
  private int size;
  private boolean sorted;
  private float max;

  Candidates(int vocabulary) {
    keys = new long[vocabulary];
    spare = new long[vocabulary];
  }

  /** Takes all logits but −∞. */
  void fill(float[] logits) {
    size = 0;
    sorted = false;
    max = Float.NEGATIVE_INFINITY;
    for (int id = 0; id < logits.length; id++) {
      float logit = logits[id];
      if (logit > Float.NEGATIVE_INFINITY) {
        keys[size++] = key(logit, id);
        max = Math.max(max, logit);
      } else if (Float.isNaN(logit)) {
        throw notANumber(id);
      }
    }
    checkDrawable(max);
  }

  /** Takes the first k of {@code ids} but those of −∞; they are a row's best, best first. */
  void take(int[] ids, float[] logits, int k) {
    size = 0;
    sorted = true;
    max = logits[0];
    while (size < k && logits[size] > Float.NEGATIVE_INFINITY) {
      keys[size] = key(logits[size], ids[size]);
      size++;
    }
    if (Float.isNaN(max)) {
      throw notANumber(ids[0]);
    }
    checkDrawable(max);
  }

  static SamplingException notANumber(int id) {
    return SamplingException.ofLogits("that of token " + id + " is NaN");
  }

  static void checkDrawable(float max) {
    if (max == Float.NEGATIVE_INFINITY) {
      throw new SamplingException(
          "no token is left to draw: all logits that a token may be drawn by are -infinity, or"
              + " forbidden by SamplingParams.logitBias");
    }
    if (max == Float.POSITIVE_INFINITY) {
      throw SamplingException.ofLogits("the largest is infinite");
    }
  }

  int size() {
    return size;
  }

  int id(int i) {
    return (int) keys[i];
  }

  /** Keeps the k best, sorted. */
  void topK(int k) {
    if (!sorted) {
      select(keys, size, Math.min(k, size), spare);
      System.arraycopy(spare, 0, keys, 0, Math.min(k, size));
      sorted = true;
    }
    size = Math.min(k, size);
  }

  /** Keeps the shortest run of best tokens whose probability reaches p. */
  void topP(double p) {
    double enough = p * mass();
    for (int k = Math.min(FIRST_GUESS, size); ; k = Math.min(8 * k, size)) {
      int n = sorted ? size : k;
      long[] best = sorted ? keys : spare;
      if (!sorted) {
        select(keys, size, k, spare);
      }
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += weight(logit(best[i]));
        if (sum >= enough || i == size - 1) {
          System.arraycopy(best, 0, keys, 0, i + 1);
          size = i + 1;
          sorted = true;
          return;
        }
      }
    }
  }

  /** Keeps those at least p times as probable as the best. */
  void minP(double p) {
    double least = max + StrictMath.log(p);
    int kept = 0;
    for (int i = 0; i < size; i++) {
      if (logit(keys[i]) >= least) {
        keys[kept++] = keys[i];
      }
    }
    size = kept;
  }

  /** Keeps those whose surprise is nearest to the entropy, until their probability reaches p. */
  void typical(double p) {
    double mass = mass();
    double entropy = 0;
    for (int i = 0; i < size; i++) {
      double share = weight(logit(keys[i])) / mass;
      entropy -= share == 0 ? 0 : share * StrictMath.log(share);
    }
    // ranked by distance and, among equals, by place: the high half is a non-negative float
    double logMass = StrictMath.log(mass);
    for (int i = 0; i < size; i++) {
      double surprise = logMass - ((double) logit(keys[i]) - max);
      float distance = (float) Math.abs(surprise - entropy);
      spare[i] = (long) Float.floatToRawIntBits(distance) << 32 | i;
    }
    Arrays.sort(spare, 0, size);
    double enough = p * mass;
    double sum = 0;
    int kept = 0;
    while (kept < size && (kept == 0 || sum < enough)) {
      spare[kept] = keys[(int) spare[kept]];
      sum += weight(logit(spare[kept++]));
    }
    Arrays.sort(spare, 0, kept);
    System.arraycopy(spare, 0, keys, 0, kept);
    size = kept;
    sorted = true;
    max = logit(keys[0]);
  }

  /** The token at {@code u} in [0, 1) of the probability at {@code temperature}. */
  int draw(double temperature, double u) {
    double total = 0;
    for (int i = 0; i < size; i++) {
      total += StrictMath.exp(((double) logit(keys[i]) - max) / temperature);
    }
    double left = u * total;
    for (int i = 0; i < size - 1; i++) {
      left -= StrictMath.exp(((double) logit(keys[i]) - max) / temperature);
      if (left < 0) {
        return id(i);
      }
    }
    return id(size - 1);
  }

  private double mass() {
    double sum = 0;
    for (int i = 0; i < size; i++) {
      sum += weight(logit(keys[i]));
    }
    return sum;
  }

  /** StrictMath, because Math.exp may differ in its last bit between machines. */
  private double weight(float logit) {
    return StrictMath.exp((double) logit - max);
  }

  private static long key(float logit, int id) {
    int bits = Float.floatToRawIntBits(logit + 0f); // −0 and 0 are equal
    int rising = bits ^ (bits >> 31 & 0x7FFF_FFFF);
    return (long) ~rising << 32 | id;
  }

  private static float logit(long key) {
    int rising = ~(int) (key >> 32);
    return Float.intBitsToFloat(rising ^ (rising >> 31 & 0x7FFF_FFFF));
  }

  /** The k smallest of the first n keys into {@code best}, sorted: a heap with the worst on top. */
  private static void select(long[] keys, int n, int k, long[] best) {
    System.arraycopy(keys, 0, best, 0, k);
    if (k < n) {
      for (int i = k / 2 - 1; i >= 0; i--) {
        sink(best, k, i);
      }
      for (int i = k; i < n; i++) {
        if (keys[i] < best[0]) {
          best[0] = keys[i];
          sink(best, k, 0);
        }
      }
    }
    Arrays.sort(best, 0, k);
  }

  private static void sink(long[] heap, int n, int at) {
    long key = heap[at];
    for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
      if (child + 1 < n && heap[child + 1] > heap[child]) {
        child++;
      }
      if (heap[child] <= key) {
        break;
      }
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = key;
  }
}
