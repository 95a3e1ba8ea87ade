package dev.yuzui.spi;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Small sums on a device whose driver nobody has met before, held against plain loops: a driver
 * that mixes up the order of launches, or compiles a kernel wrongly, would make text of nothing
 * without a word. It finds what is wrong altogether, not the last bits, which tests measure.
 */
public final class SelfCheck {
  private static final int SUMS = 1000;
  private static final int ROUNDS = 8;

  /** Rows of a decode step, and of a step with a prompt. */
  private static final List<Integer> ROWS = List.of(3, 20);

  private static final int WIDTH = 256;
  private static final float EPS = 1e-6f;

  /** Of the norms of what is multiplied: activations may be rounded to eight bits. */
  private static final double NEAR = 0.02;

  private final SelfCheckDevice on;

  private SelfCheck(SelfCheckDevice on) {
    this.on = on;
  }

  /**
   * That work runs in order, launched op by op and recorded.
   *
   * @param device for people
   * @throws BackendException if the device's sums are wrong
   */
  public static void order(Backend backend, String device) {
    with(backend, device, SelfCheck::order);
  }

  /**
   * Each family of ops, after {@link #order}.
   *
   * @throws BackendException naming the first that is wrong
   */
  public static void all(Backend backend, String device) {
    with(
        backend,
        device,
        check -> {
          check.order();
          check.products();
          check.productOfAPrompt();
          check.norm();
          check.latentAttention();
          check.groupedAttention();
          check.gate();
          check.experts();
          check.topK();
        });
  }

  private static void with(Backend backend, String device, Consumer<SelfCheck> body) {
    try (SelfCheckDevice on = new SelfCheckDevice(backend, device)) {
      body.accept(new SelfCheck(on));
    }
  }

  private void order() {
    Tensor sum = on.zeros("sum", 1, SUMS);
    float[] ones = new float[SUMS];
    Arrays.fill(ones, 1);
    Tensor one = on.floats("one", 1, ones);
    Tensor more = on.zeros("more", 1, SUMS);
    Runnable step =
        () -> {
          for (int i = 0; i < ROUNDS; i++) {
            on.ops().add(sum, one, more);
            on.ops().add(more, one, sum);
          }
        };
    step.run();
    on.require("sums launched one by one", sum, i -> 2 * ROUNDS, _ -> 0);
    try (DeviceQueue.Recording recording = on.queue().record(step)) {
      recording.replay();
      recording.replay();
      on.require("sums launched in a recorded step", sum, i -> 6 * ROUNDS, _ -> 0);
    }
  }

  /** Odd in rows, so that some lie apart from whole tiles. */
  private void products() {
    int n = 51;
    for (Encoding encoding : List.of(Encoding.F32, new Encoding.Q8_0())) {
      HostTensor host = on.weight("w", encoding, n, WIDTH);
      float[] numbers = Dequantizer.all(host);
      Tensor w = on.backend().upload(host);
      for (int rows : ROWS) {
        float[] x = on.random(rows * WIDTH);
        Tensor out = on.zeros("out", rows, n);
        on.ops().matmul(on.floats("x", rows, x), w, out);
        on.require(
            "a product of %d rows with %s weights".formatted(rows, encoding.label()),
            out,
            i -> dot(x, i / n * WIDTH, numbers, i % n * WIDTH, WIDTH),
            i -> NEAR * norm(x, i / n * WIDTH) * norm(numbers, i % n * WIDTH));
      }
    }
  }

  /** Rows and columns enough for the largest tiles of the largest devices; short, to be quick. */
  private void productOfAPrompt() {
    int rows = 1024;
    int n = 2304;
    int k = 64;
    HostTensor host = on.weight("w", new Encoding.Q8_0(), n, k);
    float[] numbers = Dequantizer.all(host);
    float[] x = on.random(rows * k);
    Tensor out = on.zeros("out", rows, n);
    on.ops().matmul(on.floats("x", rows, x), on.backend().upload(host), out);
    double[] sizes = new double[n];
    Arrays.setAll(sizes, i -> Math.sqrt(dot(numbers, i * k, numbers, i * k, k)));
    on.require(
        "a product of %d rows with Q8_0 weights".formatted(rows),
        out,
        i -> dot(x, i / n * k, numbers, i % n * k, k),
        i -> NEAR * Math.sqrt(dot(x, i / n * k, x, i / n * k, k)) * sizes[i % n]);
  }

  private static double dot(float[] a, int aFrom, float[] b, int bFrom, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (double) a[aFrom + i] * b[bFrom + i];
    }
    return sum;
  }

  private static double norm(float[] a, int from) {
    return Math.sqrt(dot(a, from, a, from, WIDTH));
  }

  private void norm() {
    int rows = 3;
    float[] x = on.random(rows * WIDTH);
    float[] weight = on.random(WIDTH);
    Tensor out = on.zeros("out", rows, WIDTH);
    on.ops().rmsNorm(on.floats("x", rows, x), on.floats("weight", 1, weight), EPS, out);
    on.require(
        "a norm",
        out,
        i ->
            x[i]
                * weight[i % WIDTH]
                / Math.sqrt(dot(x, i / WIDTH * WIDTH, x, i / WIDTH * WIDTH, WIDTH) / WIDTH + EPS),
        _ -> 1e-3);
  }

  // ---- attention --------------------------------------------------------------------------------

  /** Cos and sin of position · 0.1 · (pair + 1). */
  private static float[] angles(int positions, int rotating) {
    float[] table = new float[positions * rotating];
    for (int i = 0; i < table.length; i += 2) {
      double angle = i / rotating * 0.1 * (i % rotating / 2 + 1);
      table[i] = (float) Math.cos(angle);
      table[i + 1] = (float) Math.sin(angle);
    }
    return table;
  }

  private static double[] rotated(float[] x, int from, int count, float[] table, int position) {
    double[] out = new double[count];
    for (int i = 0; i < count; i += 2) {
      double cos = table[position * count + i];
      double sin = table[position * count + i + 1];
      out[i] = x[from + i] * cos - x[from + i + 1] * sin;
      out[i + 1] = x[from + i] * sin + x[from + i + 1] * cos;
    }
    return out;
  }

  /** Two sequences of {@code length} entries each, rows in order of position. */
  private StepBatch step(int length, int pageTokens) {
    int rows = 2 * length;
    int pages = Math.ceilDiv(length, pageTokens);
    int[] positions = IntStream.range(0, rows).map(t -> t % length).toArray();
    return new StepBatch(
        on.ints("token", new int[rows]),
        on.ints("position", positions),
        on.ints("sequence", IntStream.range(0, rows).map(t -> t / length).toArray()),
        on.ints("kvLength", Arrays.stream(positions).map(p -> p + 1).toArray()),
        on.ints("pages", 2, IntStream.range(0, 2 * pages).map(p -> 2 * pages - 1 - p).toArray()),
        on.ints("outputRow", new int[1]));
  }

  /** Σ over entries s ≤ t of softmax(scores)·value, for one query. */
  private static double[] attention(double[] scores, double[][] values) {
    double most = Arrays.stream(scores).max().orElseThrow();
    double total = 0;
    double[] out = new double[values[0].length];
    for (int s = 0; s < scores.length; s++) {
      double weight = Math.exp(scores[s] - most);
      total += weight;
      for (int i = 0; i < out.length; i++) {
        out[i] += weight * values[s][i];
      }
    }
    for (int i = 0; i < out.length; i++) {
      out[i] /= total;
    }
    return out;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private void latentAttention() {
    int length = 9;
    int rows = 2 * length;
    MlaShape shape = new MlaShape(4, 32, 16, 32, 64, 0.25f);
    int entry = shape.entry();
    float[] table = angles(length, shape.rope());
    float[] kv = on.random(rows * entry);
    float[] q = on.random(rows * shape.heads() * entry);
    float[] ones = new float[shape.kvLora()];
    Arrays.fill(ones, 1);
    StepBatch batch = step(length, 4);
    KvCache cache = new KvCache(on.cache(batch, 4, entry), 4);
    Tensor query = on.floats("q", rows, q);
    Tensor out = on.zeros("out", rows, shape.heads() * shape.kvLora());
    Ops ops = on.ops();
    ops.ropeAppend(
        query,
        shape.kvLora(),
        shape.heads(),
        on.floats("kv", rows, kv),
        on.floats("norm", 1, ones),
        EPS,
        on.floats("table", length, table),
        cache,
        batch);
    ops.mlaDecode(query, cache, shape, batch, out);

    double[][] entries = new double[rows][];
    for (int t = 0; t < rows; t++) {
      double size =
          Math.sqrt(dot(kv, t * entry, kv, t * entry, shape.kvLora()) / shape.kvLora() + EPS);
      double[] key = rotated(kv, t * entry + shape.kvLora(), shape.rope(), table, t % length);
      entries[t] = new double[entry];
      for (int i = 0; i < entry; i++) {
        entries[t][i] = i < shape.kvLora() ? kv[t * entry + i] / size : key[i - shape.kvLora()];
      }
    }
    List<double[]> want = new ArrayList<>();
    for (int t = 0; t < rows; t++) {
      int first = t / length * length;
      double[][] seen = Arrays.copyOfRange(entries, first, t + 1);
      for (int h = 0; h < shape.heads(); h++) {
        int at = (t * shape.heads() + h) * entry;
        double[] mine = new double[entry];
        double[] turned = rotated(q, at + shape.kvLora(), shape.rope(), table, t % length);
        for (int i = 0; i < entry; i++) {
          mine[i] = i < shape.kvLora() ? q[at + i] : turned[i - shape.kvLora()];
        }
        double[] scores =
            Arrays.stream(seen).mapToDouble(e -> dot(mine, e) * shape.scale()).toArray();
        want.add(attention(scores, seen));
      }
    }
    on.require(
        "attention over latents",
        out,
        i -> want.get(i / shape.kvLora())[i % shape.kvLora()],
        _ -> 0.05);
  }

  private void groupedAttention() {
    int length = 9;
    int rows = 2 * length;
    GroupedShape shape = new GroupedShape(4, 2, 32, 0.2f);
    int d = shape.head();
    int width = shape.kvHeads() * d;
    float[] table = angles(length, d);
    float[] k = on.random(rows * width);
    float[] v = on.random(rows * width);
    float[] q = on.random(rows * shape.heads() * d);
    StepBatch batch = step(length, 4);
    KvCache cache = new KvCache(on.cache(batch, 4, shape.entry()), 4);
    Tensor out = on.zeros("out", rows, shape.heads() * d);
    Ops ops = on.ops();
    ops.append(
        on.floats("k", rows, k),
        on.floats("v", rows, v),
        on.floats("table", length, table),
        cache,
        shape,
        batch);
    ops.attend(on.floats("q", rows, q), cache, shape, batch, out);

    List<double[]> want = new ArrayList<>();
    for (int t = 0; t < rows; t++) {
      int first = t / length * length;
      for (int h = 0; h < shape.heads(); h++) {
        int g = h / shape.perGroup();
        int at = (t * shape.heads() + h) * d;
        double[] mine = IntStream.range(0, d).mapToDouble(i -> q[at + i]).toArray();
        double[] scores = new double[t + 1 - first];
        double[][] values = new double[scores.length][];
        for (int s = first; s <= t; s++) {
          int of = s * width + g * d;
          scores[s - first] = dot(mine, rotated(k, of, d, table, s % length)) * shape.scale();
          values[s - first] = IntStream.range(0, d).mapToDouble(i -> v[of + i]).toArray();
        }
        want.add(attention(scores, values));
      }
    }
    on.require("attention over keys and values", out, i -> want.get(i / d)[i % d], _ -> 0.05);
  }

  // ---- experts ----------------------------------------------------------------------------------

  private void gate() {
    int experts = 24;
    int used = 3;
    GateRule rule =
        new GateRule(
            GateRule.Scoring.SIGMOID, experts, used, 1, 1, GateRule.GroupScore.MAX, true, 1);
    HostTensor host = on.weight("router", Encoding.F32, experts, WIDTH);
    float[] w = Dequantizer.all(host);
    Tensor router = on.backend().upload(host);
    for (int rows : ROWS) {
      float[] x = on.random(rows * WIDTH);
      StepBatch batch = step(Math.ceilDiv(rows, 2), 4);
      Tensor ids = on.ints("ids", rows, new int[rows * used]);
      Tensor weights = on.zeros("weights", rows, used);
      on.ops()
          .gate(
              on.floats("x", rows, x),
              router,
              Optional.empty(),
              rule,
              on.first(batch, rows),
              ids,
              weights);
      int[] chosen = on.integers(ids);
      double[] want = new double[rows * used];
      for (int t = 0; t < rows; t++) {
        double[] scores = new double[experts];
        for (int e = 0; e < experts; e++) {
          scores[e] = 1 / (1 + Math.exp(-dot(x, t * WIDTH, w, e * WIDTH, WIDTH)));
        }
        int[] best = best(scores, used);
        double sum = Arrays.stream(best).mapToDouble(e -> scores[e]).sum();
        for (int j = 0; j < used; j++) {
          on.require("the choice of experts", t, j, chosen[t * used + j], best[j], 0);
          want[t * used + j] = scores[best[j]] / sum;
        }
      }
      on.require("the weights of experts", weights, i -> want[i], _ -> 1e-3);
    }
  }

  private static int[] best(double[] scores, int count) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted((a, b) -> scores[a] == scores[b] ? a - b : Double.compare(scores[b], scores[a]))
        .limit(count)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private void experts() {
    int experts = 6;
    int used = 2;
    int width = 64;
    List<HostTensor> hosts =
        IntStream.range(0, 3 * experts)
            .mapToObj(
                i ->
                    i < 2 * experts
                        ? on.weight("expert", new Encoding.Q8_0(), width, WIDTH)
                        : on.weight("expert", new Encoding.Q8_0(), WIDTH, width))
            .toList();
    List<float[]> w = hosts.stream().map(Dequantizer::all).toList();
    ExpertWeights gate = on.backend().uploadExperts("gate", hosts.subList(0, experts));
    ExpertWeights up = on.backend().uploadExperts("up", hosts.subList(experts, 2 * experts));
    ExpertWeights down =
        on.backend().uploadExperts("down", hosts.subList(2 * experts, 3 * experts));
    for (int rows : ROWS) {
      float[] x = on.random(rows * WIDTH);
      float[] weights = on.random(rows * used);
      int[] ids =
          IntStream.range(0, rows * used).map(s -> (s / used + 2 * (s % used)) % 5).toArray();
      Dispatch dispatch =
          new Dispatch(
              on.ints("offset", new int[experts + 1]),
              on.ints("slot", new int[rows * used]),
              on.ints("place", new int[rows * used]),
              used);
      Tensor y = on.zeros("y", rows * used, WIDTH);
      Tensor out = on.zeros("out", rows, WIDTH);
      Ops ops = on.ops();
      ops.permute(on.ints("ids", rows, ids), dispatch);
      ops.expertFfn(on.floats("x", rows, x), gate, up, down, dispatch, y);
      ops.combine(y, dispatch, on.floats("weights", rows, weights), Optional.empty(), out);
      double[] want = new double[rows * WIDTH];
      for (int s = 0; s < ids.length; s++) {
        int t = s / used;
        float[] hidden = new float[width];
        for (int i = 0; i < width; i++) {
          double g = dot(x, t * WIDTH, w.get(ids[s]), i * WIDTH, WIDTH);
          double u = dot(x, t * WIDTH, w.get(experts + ids[s]), i * WIDTH, WIDTH);
          hidden[i] = (float) (g / (1 + Math.exp(-g)) * u);
        }
        for (int i = 0; i < WIDTH; i++) {
          want[t * WIDTH + i] +=
              weights[s] * dot(hidden, 0, w.get(2 * experts + ids[s]), i * width, width);
        }
      }
      double size = Math.sqrt(Arrays.stream(want).map(v -> v * v).sum() / want.length);
      on.require(rows + " rows through experts", out, i -> want[i], _ -> 0.2 * size);
    }
  }

  private void topK() {
    int width = 3000;
    int k = 5;
    float[] logits = on.random(width);
    Tensor ids = on.ints("ids", 1, new int[k]);
    Tensor values = on.zeros("values", 1, k);
    on.ops().topK(on.floats("logits", 1, logits), ids, values);
    int[] found = on.integers(ids);
    int[] want = best(IntStream.range(0, width).mapToDouble(i -> logits[i]).toArray(), k);
    for (int i = 0; i < k; i++) {
      on.require("the best of many numbers", 0, i, found[i], want[i], 0);
    }
    on.require("the best of many numbers", values, i -> logits[want[i]], _ -> 0);
  }
}
