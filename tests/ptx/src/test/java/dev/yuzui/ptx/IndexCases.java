package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** The indexer of sparse attention: append_index_*, index_spread, index_scores_*, index_choose. */
final class IndexCases {
  private static final float EPS = 1e-6f;
  private static final int[] POSITION = {18, 0, 5};
  private static final int[] SEQUENCE = {1, 0, -1};

  /** Keys of a block. */
  private static final int KEYS = 64;

  /** Rows before a launch's first. */
  private static final int FIRST = 1;

  private IndexCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (Format f : Format.values()) {
      String append = "append_index_" + f.suffix();
      cases.add(new KernelCase(append, "128", d -> append(d, f, 128, 64, false)));
      cases.add(new KernelCase(append, "32, spread", d -> append(d, f, 32, 16, true)));
      cases.add(new KernelCase(append, "1024, spread", d -> append(d, f, 1024, 768, true)));
      cases.add(new KernelCase(append, "1400", d -> append(d, f, 1400, 10, false)));
      String scores = "index_scores_" + f.suffix();
      cases.add(new KernelCase(scores, "16 heads of 32", d -> scores(d, f, 16, 32)));
      cases.add(new KernelCase(scores, "5 heads of 20", d -> scores(d, f, 5, 20)));
      cases.add(new KernelCase(scores, "40 heads of 12", d -> scores(d, f, 40, 12)));
    }
    cases.add(new KernelCase("index_spread", "heads of 64", d -> spread(d, 64)));
    cases.add(new KernelCase("index_spread", "heads of 512", d -> spread(d, 512)));
    cases.add(new KernelCase("index_choose", "numbers", d -> choose(d, 256, 100, 144, false)));
    cases.add(new KernelCase("index_choose", "many equal", d -> choose(d, 1024, 33, 144, true)));
    cases.add(new KernelCase("index_choose", "rounds", d -> choose(d, 256, 300, 600, true)));
    return cases;
  }

  private static double[] spread(double[] x) {
    double[] y = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < x.length; j++) {
        y[i] += (Integer.bitCount(i & j) % 2 == 0 ? x[j] : -x[j]) / Math.sqrt(x.length);
      }
    }
    return y;
  }

  private static void spread(Device device, int head) {
    float[] q = new Numbers(head).normal(3 * head, 1);
    GlobalBuffer out = device.memory().output("out", 4L * q.length);
    device.run(
        device
            .launch("index_spread", 3, 1, 1, 128, 4 * head)
            .p(device.memory().floats("q", Role.INPUT, q))
            .p(out)
            .i(head));
    for (int h = 0; h < 3; h++) {
      int from = h * head;
      double[] want = spread(IntStream.range(0, head).mapToDouble(i -> q[from + i]).toArray());
      for (int i = 0; i < head; i++) {
        Numbers.close("head " + h, i, out.f32(from + i), want[i], 1e-5);
      }
    }
  }

  private static void append(Device device, Format f, int head, int r, boolean spread) {
    Numbers numbers = new Numbers(head);
    KvCache cache = KvCache.random(f, head, 4, 2, 20, numbers.random());
    float[] keys = numbers.normal(3 * head, 1);
    float[] norm = numbers.normal(head, 1);
    float[] bias = numbers.normal(head, 1);
    float[] table = numbers.normal(19 * r, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer entries = cache.entries(device, Role.IN_PLACE);
    device.run(
        device
            .launch("append_index_" + f.suffix(), 3, 1, 1, 128, 4 * head)
            .p(memory.floats("keys", Role.INPUT, keys))
            .p(memory.floats("norm", Role.CONSTANT, norm))
            .p(memory.floats("bias", Role.CONSTANT, bias))
            .f(EPS)
            .p(memory.floats("table", Role.CONSTANT, table))
            .i(r, head, spread ? 1 : 0)
            .p(entries)
            .i(cache.pageTokens())
            .p(memory.ints("position", Role.INPUT, POSITION))
            .p(memory.ints("sequence", Role.INPUT, SEQUENCE))
            .p(cache.pages(device))
            .i(cache.pagesPerSequence()));
    byte[] after = entries.content();
    for (int t = 0; t < 2; t++) {
      double[] want = key(keys, t, head, norm, bias, table, POSITION[t] * r, r);
      want = spread ? spread(want) : want;
      int at = cache.row(SEQUENCE[t], POSITION[t]) * head;
      for (int i = 0; i < head; i++) {
        Numbers.close(
            "key " + t, i, f.read(after, at + i), want[i], CacheCases.rounding(f, want[i]) + 1e-5);
      }
    }
    CacheCases.unchanged(cache, after, f);
  }

  /** Layer-normalised, the first {@code r} numbers turned. */
  private static double[] key(
      float[] keys, int t, int head, float[] norm, float[] bias, float[] table, int angle, int r) {
    double mean =
        IntStream.range(0, head).mapToDouble(i -> keys[t * head + i]).average().orElseThrow();
    double squares =
        IntStream.range(0, head)
            .mapToDouble(i -> Math.pow(keys[t * head + i] - mean, 2))
            .average()
            .orElseThrow();
    double[] x = new double[head];
    for (int i = 0; i < head; i++) {
      x[i] = (keys[t * head + i] - mean) / Math.sqrt(squares + EPS) * norm[i] + bias[i];
    }
    for (int i = 0; i < r; i += 2) {
      double a = x[i];
      double b = x[i + 1];
      double cos = table[angle + i];
      double sin = table[angle + i + 1];
      x[i] = a * cos - b * sin;
      x[i + 1] = a * sin + b * cos;
    }
    return x;
  }

  /** Rows that see many, few, none and, of padding, nothing; the first is of an earlier slice. */
  private static void scores(Device device, Format f, int heads, int head) {
    int[] sequence = {0, 1, 0, -1, 0};
    int[] length = {70, 67, 130, 90, 9};
    int most = 10;
    int rows = sequence.length - FIRST;
    int capacity = 144;
    Numbers numbers = new Numbers(heads * head);
    KvCache cache = KvCache.random(f, head, 24, 2, capacity, numbers.random());
    float[] q = numbers.normal(sequence.length * heads * head, 1);
    float[] weights = numbers.normal(sequence.length * heads, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.floats("scores", Role.IN_PLACE, new float[rows * capacity]);
    int tile = (KEYS * (head + 1) + 3) / 4 * 4;
    device.run(
        device
            .launch(
                "index_scores_" + f.suffix(),
                Math.ceilDiv(capacity, KEYS),
                rows,
                1,
                256,
                4 * (tile + 16 * head))
            .p(memory.floats("q", Role.INPUT, q))
            .p(memory.floats("weights", Role.INPUT, weights))
            .p(cache.entries(device, Role.INPUT))
            .i(cache.pageTokens())
            .p(cache.pages(device))
            .i(cache.pagesPerSequence())
            .p(memory.ints("sequence", Role.INPUT, sequence))
            .p(memory.ints("kvLength", Role.INPUT, length))
            .i(FIRST, most, heads, head)
            .f(0.25f)
            .p(out)
            .i(capacity));
    for (int row = 0; row < rows; row++) {
      int t = FIRST + row;
      boolean scored = sequence[t] >= 0 && length[t] > most;
      for (int s = 0; s < capacity; s++) {
        double want = 0;
        for (int h = 0; scored && s < length[t] && h < heads; h++) {
          double dot = 0;
          for (int i = 0; i < head; i++) {
            dot += q[(t * heads + h) * head + i] * cache.at(sequence[t], s, i);
          }
          want += 0.25 * weights[t * heads + h] * Math.max(dot, 0);
        }
        Numbers.close("score of row " + row, s, out.f32(row * capacity + s), want, 1e-3);
      }
    }
  }

  private static void choose(Device device, int threads, int most, int capacity, boolean equal) {
    int[] sequence = {0, 1, 0, -1, 0};
    int[] length = {70, capacity - 1, capacity - 14, 90, 9};
    int rows = sequence.length - FIRST;
    Numbers numbers = new Numbers(most);
    KvCache cache = KvCache.random(Format.F32, 1, 24, 2, capacity, numbers.random());
    float[] scores = numbers.normal(rows * capacity, 1);
    for (int i = 0; equal && i < scores.length; i++) {
      scores[i] = i % 11 == 0 ? Float.NaN : Math.round(scores[i]);
    }
    GlobalMemory memory = device.memory();
    GlobalBuffer chosen = memory.ints("rows", Role.IN_PLACE, new int[sequence.length * most]);
    GlobalBuffer sequences = memory.ints("sequences", Role.IN_PLACE, new int[sequence.length]);
    GlobalBuffer counts = memory.ints("counts", Role.IN_PLACE, new int[sequence.length]);
    device.run(
        device
            .launch("index_choose", rows, 1, 1, threads, 0)
            .p(memory.floats("scores", Role.INPUT, scores))
            .i(capacity)
            .p(cache.pages(device))
            .i(cache.pagesPerSequence(), cache.pageTokens())
            .p(memory.ints("sequence", Role.INPUT, sequence))
            .p(memory.ints("kvLength", Role.INPUT, length))
            .i(FIRST, most)
            .p(chosen)
            .p(sequences)
            .p(counts));
    for (int row = 0; row < rows; row++) {
      int t = FIRST + row;
      int sees = sequence[t] < 0 ? 0 : length[t];
      int from = row * capacity;
      int[] best =
          IntStream.range(0, sees)
              .boxed()
              .sorted(Comparator.comparingDouble(s -> -numberOf(scores[from + s])))
              .limit(most)
              .mapToInt(Integer::intValue)
              .sorted()
              .toArray();
      assertEquals(best.length, counts.i32(t), "count of row " + t);
      assertEquals(sequence[t] < 0 ? -1 : t, sequences.i32(t), "sequence of row " + t);
      for (int i = 0; i < most; i++) {
        int want = i < best.length ? cache.row(sequence[t], best[i]) : -1;
        assertEquals(want, chosen.i32(t * most + i), "entry " + i + " of row " + t);
      }
    }
  }

  private static double numberOf(float score) {
    return Float.isNaN(score) ? Double.NEGATIVE_INFINITY : score == 0 ? 0 : score;
  }
}
