package dev.yuzui.ptx;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Launch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Grouped-query attention: attend_decode_*, attend_prompt_*, attend_combine and attend_plain_*. */
final class GroupedCases {
  /** Entries of a tile. */
  private static final int TILE = 64;

  /** Queries of a block: of decode steps, of prompts. */
  private static final int FEW = 16;

  private static final int MANY = 64;

  /** Rows that a launch is for. */
  private static final int ALL = 0;

  private static final int ALONE = 1;
  private static final int TOGETHER = 2;

  /** Shared memory of a block. */
  private static final Map<Integer, Integer> SHARED = Map.of(75, 64 << 10, 80, 163 << 10);

  private static final int MOST_SHARED = 227 << 10;

  /** A row a sequence, one of padding, one that sees nothing. */
  private static final Step ROWS =
      new Step(4, new int[] {1, -1, 0, 3, 2}, new int[] {79, 9, 0, 130, 21});

  /** Neighbours of one sequence, which see different numbers of entries. */
  private static final Step NEIGHBOURS =
      new Step(3, new int[] {0, 0, 0, -1, 1, 1, 2, 2}, new int[] {130, 131, 0, 5, 64, 65, 0, 17});

  /** The third sequence has one row, as the fourth, which sees nothing; padding in two places. */
  private static final Step PROMPTS =
      prompts(4, new int[] {0, -1, 1, 2, 3, -1}, new int[] {23, 1, 14, 1, 1, 2});

  private static final Step LONG = prompts(1, new int[] {0}, new int[] {45});

  private GroupedCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (Format f : List.of(Format.F16, Format.BF16, Format.E4M3)) {
      String decode = "attend_decode_" + f.suffix();
      for (Shape s : List.of(new Shape(2, 2, 64), new Shape(6, 2, 128), new Shape(6, 1, 48))) {
        cases.add(new KernelCase(decode, s + ", a row a sequence", d -> attend(d, f, s, ROWS, 1)));
      }
      for (Shape s : List.of(new Shape(3, 3, 64), new Shape(7, 1, 64), new Shape(16, 2, 128))) {
        cases.add(new KernelCase(decode, s + ", neighbours", d -> attend(d, f, s, NEIGHBOURS, 1)));
      }
      cases.add(new KernelCase(decode, "every count of stages", d -> stages(d, f, NEIGHBOURS)));
      cases.add(new KernelCase(decode, "one stage", d -> oneStage(d, f, NEIGHBOURS)));
      cases.add(
          new KernelCase(
              decode,
              "more heads than a block has",
              d -> attend(d, f, new Shape(20, 1, 64), NEIGHBOURS, 1)));
      String prompt = "attend_prompt_" + f.suffix();
      for (Shape s :
          List.of(
              new Shape(2, 2, 64),
              new Shape(6, 2, 128),
              new Shape(12, 2, 48),
              new Shape(7, 1, 64),
              new Shape(8, 1, 128))) {
        cases.add(new KernelCase(prompt, s + ", prompts", d -> attend(d, f, s, PROMPTS, 1)));
      }
      cases.add(new KernelCase(prompt, "every count of stages", d -> stages(d, f, PROMPTS)));
      cases.add(new KernelCase(prompt, "one stage", d -> oneStage(d, f, PROMPTS)));
      cases.add(
          new KernelCase(
              prompt, "a run of 45 rows", d -> attend(d, f, new Shape(1, 1, 128), LONG, 1)));
      cases.add(
          new KernelCase(
              prompt,
              "more heads than a block has",
              d -> attend(d, f, new Shape(70, 1, 16), PROMPTS, 1)));
      Shape six = new Shape(6, 1, 64);
      cases.add(
          new KernelCase(
              "attend_combine",
              f + ", neighbours in parts",
              d -> attend(d, f, six, NEIGHBOURS, 3)));
      cases.add(
          new KernelCase(
              "attend_combine", f + ", prompts in parts", d -> attend(d, f, six, PROMPTS, 3)));
    }
    cases.add(
        new KernelCase(
            "attend_combine",
            "128, rows in parts",
            d -> attend(d, Format.F16, new Shape(3, 1, 128), ROWS, 3)));
    cases.add(
        new KernelCase("attend_combine", "more parts than lanes", d -> manyParts(d, 40, 41, 1)));
    cases.add(new KernelCase("attend_combine", "two tiles at least", d -> manyParts(d, 3, 5, 2)));
    for (Format f : Format.values()) {
      String plain = "attend_plain_" + f.suffix();
      for (Shape s : List.of(new Shape(6, 2, 128), new Shape(3, 3, 38), new Shape(8, 1, 390))) {
        cases.add(new KernelCase(plain, s.toString(), d -> plain(d, f, s)));
      }
    }
    return cases;
  }

  /**
   * @param n heads of queries
   * @param g heads of keys and values
   * @param d elements of a head
   */
  private record Shape(int n, int g, int d) {
    int perGroup() {
      return n / g;
    }

    int entry() {
      return 2 * g * d;
    }

    float scale() {
      return 1 / (float) Math.sqrt(d);
    }

    @Override
    public String toString() {
      return n + "/" + g + "/" + d;
    }
  }

  private record Step(int sequences, int[] sequence, int[] length) {
    int rows() {
      return sequence.length;
    }

    int longest() {
      return Arrays.stream(length).max().orElseThrow();
    }

    boolean prompt(Shape s) {
      return rows() >= 4 * sequences && rows() * s.perGroup() > 2 * FEW;
    }
  }

  /**
   * Runs of rows. The first sequence continues after 70 entries, the third after 129; the first row
   * of any other sees none.
   */
  private static Step prompts(int sequences, int[] sequence, int[] rows) {
    int count = Arrays.stream(rows).sum();
    int[] of = new int[count];
    int[] length = new int[count];
    int t = 0;
    for (int run = 0; run < rows.length; run++) {
      int before = sequence[run] == 0 ? 71 : sequence[run] == 2 ? 130 : 0;
      for (int i = 0; i < rows[run]; i++, t++) {
        of[t] = sequence[run];
        length[t] = before + i;
      }
    }
    return new Step(sequences, of, length);
  }

  /** As the host cuts a step: rows and heads of a block, and how many blocks that makes. */
  private record Blocks(boolean prompt, int rows, int heads, int count) {
    static Blocks of(boolean prompt, boolean sharing, int rows, Shape s) {
      int queries = prompt ? MANY : FEW;
      int headBlocks = Math.ceilDiv(s.perGroup(), queries);
      int heads = Math.ceilDiv(s.perGroup(), headBlocks);
      int together = sharing ? Math.min(rows, queries / heads) : 1;
      return new Blocks(prompt, together, heads, Math.ceilDiv(rows, together) * headBlocks * s.g());
    }
  }

  private record Splits(int count, int leastTiles) {}

  /** What all launches of a step are given, and what must come of them. */
  private static final class Attention {
    private final Device device;
    private final Format format;
    private final Shape shape;
    private final Step step;
    private final KvCache cache;
    private final float[] q;
    private GlobalBuffer out;

    /** Pages of 24 entries, so that they end within tiles and beside them. */
    Attention(Device device, Format format, Shape shape, Step step) {
      Numbers numbers = new Numbers(shape.n() + shape.d());
      this.device = device;
      this.format = format;
      this.shape = shape;
      this.step = step;
      this.cache =
          KvCache.random(
              format, shape.entry(), 24, step.sequences(), step.longest(), numbers.random());
      this.q = numbers.normal(step.rows() * shape.n() * shape.d(), 1);
      this.out = device.memory().output("out", 4L * q.length);
    }

    Launch put(Launch launch) {
      GlobalMemory memory = device.memory();
      return launch
          .p(memory.floats("q", Role.INPUT, q))
          .p(cache.entries(device, Role.INPUT))
          .i(cache.pageTokens())
          .p(cache.pages(device))
          .i(cache.pagesPerSequence())
          .p(memory.ints("sequence", Role.INPUT, step.sequence()))
          .p(memory.ints("kvLength", Role.INPUT, step.length()))
          .i(step.rows(), shape.n(), shape.g(), shape.d())
          .f(shape.scale())
          .p(out);
    }

    int shared(boolean prompt, int stages) {
      int row = 2 * (2 * shape.d() + 8);
      boolean wide = format != Format.E4M3;
      return TILE * stages * (wide ? row : 2 * shape.d())
          + (wide ? 0 : TILE * row)
          + 2 * (prompt ? MANY : FEW) * shape.d();
    }

    /** As many as the host would take; none where a block has too little memory. */
    int stages(boolean prompt) {
      int stages = format != Format.E4M3 || device.capability() < 90 ? 2 : 3;
      int most = SHARED.getOrDefault(device.capability(), MOST_SHARED) - 2048;
      while (stages > 0 && shared(prompt, stages) > most) {
        stages--;
      }
      return stages;
    }

    void run(Blocks blocks, int which, Splits splits, GlobalBuffer partial, int stages) {
      String kernel = (blocks.prompt() ? "attend_prompt_" : "attend_decode_") + format.suffix();
      Launch launch =
          device.launch(
              kernel, blocks.count(), splits.count(), 1, 128, shared(blocks.prompt(), stages));
      put(launch);
      if (splits.count() == 1) {
        launch.none();
      } else {
        launch.p(partial);
      }
      device.run(
          launch
              .i(blocks.rows(), blocks.heads(), which)
              .i(splits.count(), splits.leastTiles(), stages));
    }

    void combine(GlobalBuffer partial, int splits) {
      out = device.memory().put("out", Role.IN_PLACE, out.content());
      device.run(
          device
              .launch("attend_combine", shape.n(), step.rows(), 1, 128, 0)
              .p(device.handOn(partial))
              .i(shape.n(), shape.d(), splits)
              .p(out));
    }

    void check(double allowed) {
      double[] values = new double[cache.entries().length / format.bytes()];
      Arrays.setAll(values, i -> format.read(cache.entries(), i));
      for (int t = 0; t < step.rows(); t++) {
        for (int n = 0; n < shape.n(); n++) {
          check(values, t, n, allowed);
        }
      }
    }

    private void check(double[] values, int t, int n, double allowed) {
      int d = shape.d();
      int sequence = step.sequence()[t];
      int head = (t * shape.n() + n) * d;
      double[] score = new double[sequence < 0 ? 0 : step.length()[t]];
      int[] key = new int[score.length];
      double most = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < score.length; i++) {
        key[i] = cache.row(sequence, i) * shape.entry() + n / shape.perGroup() * 2 * d;
        for (int e = 0; e < d; e++) {
          score[i] += q[head + e] * values[key[i] + e];
        }
        score[i] *= shape.scale();
        most = Math.max(most, score[i]);
      }
      double sum = 0;
      double[] want = new double[d];
      for (int i = 0; i < score.length; i++) {
        double weight = Math.exp(score[i] - most);
        sum += weight;
        for (int e = 0; e < d; e++) {
          want[e] += weight * values[key[i] + d + e];
        }
      }
      for (int e = 0; e < d; e++) {
        String what = "row " + t + ", head " + n;
        Numbers.close(what, e, out.f32(head + e), sum > 0 ? want[e] / sum : 0, allowed);
      }
    }
  }

  private static void attend(Device device, Format f, Shape s, Step step, int splits) {
    attend(new Attention(device, f, s, step), new Splits(splits, 1), 0);
  }

  private static void stages(Device device, Format f, Step step) {
    for (int stages = 1; stages <= 5; stages++) {
      attend(new Attention(device, f, new Shape(3, 1, 32), step), new Splits(1, 1), stages);
    }
  }

  /**
   * The warps' sums lie over all of the tiles. For prompts over E4M3 with heads of 128 sm_75 has
   * too little memory, and the host takes attend_decode there; the code is run all the same.
   */
  private static void oneStage(Device device, Format f, Step step) {
    attend(new Attention(device, f, new Shape(3, 1, 64), step), new Splits(1, 1), 1);
    attend(new Attention(device, f, new Shape(3, 1, 128), step), new Splits(1, 1), 1);
  }

  /** The first row is so long that all parts have work; the second's has an end within one. */
  private static void manyParts(Device device, int splits, int tiles, int leastTiles) {
    Step step = new Step(2, new int[] {0, 1}, new int[] {tiles * TILE, 9});
    Attention a = new Attention(device, Format.F16, new Shape(2, 1, 16), step);
    attend(a, new Splits(splits, leastTiles), 0);
  }

  /**
   * The launches of a step, in the host's order.
   *
   * @param stages tiles on chip, or 0 for what the host would choose
   */
  private static void attend(Attention a, Splits splits, int stages) {
    Step step = a.step;
    Shape s = a.shape;
    GlobalMemory memory = a.device.memory();
    long floats = (long) step.rows() * s.n() * splits.count() * (s.d() + 2);
    GlobalBuffer partial = memory.output("partial", splits.count() == 1 ? 0 : 4 * floats);
    boolean prompt = step.prompt(s) && (stages > 0 || a.stages(true) > 0);
    Blocks blocks = Blocks.of(prompt, step.rows() > step.sequences(), step.rows(), s);
    int chosen = stages == 0 ? a.stages(prompt) : stages;
    a.run(blocks, prompt ? TOGETHER : ALL, splits, partial, chosen);
    if (prompt) {
      a.out = memory.put("out", Role.IN_PLACE, a.out.content());
      partial = memory.put("partial", Role.IN_PLACE, partial.content());
      chosen = stages == 0 ? a.stages(false) : stages;
      a.run(Blocks.of(false, false, step.rows(), s), ALONE, splits, partial, chosen);
    }
    if (splits.count() > 1) {
      a.combine(partial, splits.count());
    }
    a.check(1e-4);
  }

  private static void plain(Device device, Format f, Shape s) {
    Attention a = new Attention(device, f, s, ROWS);
    Launch launch =
        device.launch(
            "attend_plain_" + f.suffix(), s.n(), a.step.rows(), 1, 128, 4 * (2 * s.d() + 32));
    device.run(a.put(launch));
    a.check(1e-5);
  }
}
