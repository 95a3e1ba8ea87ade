package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.exact;
import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;

import dev.yuzui.spi.CompressedOps.Blocks;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Rings of rows, what a step looks at in them and beyond, and attention with a sink. */
public abstract class CompressedConformance extends Conformance {
  private static final List<Steps.Span> FIRST = List.of(span(5, 3), span(0, 11), span(130, 1));
  private static final List<Steps.Span> SECOND = List.of(span(0, 9), span(1022, 2), span(3, 4));
  private static final int TOKENS = 17;

  private static Steps.Step[] steps() {
    return new Steps.Step[] {
      Steps.step(TOKENS, 4, 3 * 260, 1, FIRST), Steps.step(TOKENS, 4, 3 * 260, 2, SECOND)
    };
  }

  @ParameterizedTest
  @CsvSource({"1, 4", "17, 4", "3, 128", "300, 1"})
  void wholeBlocks(int tokens, int block) {
    Values lengths = Values.integers(1, tokens, 3 * block + 2, 1);
    Values wanted =
        changed(
            lengths,
            x -> {
              for (int i = 0; i < x.length; i++) {
                x[i] = (int) x[i] / block;
              }
            });
    rig.compare(
        b -> {
          Tensor length = b.integers("length", lengths);
          Tensor out = b.integerOutput("blocks", 1, tokens, wanted);
          return ops -> ops.wholeBlocks(length, block, out);
        });
  }

  private interface Change {
    void of(float[] x);
  }

  private static Values changed(Values values, Change change) {
    return new Values(
        values.rows(),
        values.cols(),
        variant -> {
          float[] x = values.of(variant);
          change.of(x);
          return x;
        });
  }

  // ---- rings ------------------------------------------------------------------------------------

  /** A cache's encoding, and widths of rows. */
  Stream<Arguments> rows() {
    return caches().stream()
        .flatMap(
            e ->
                (e.blockElements() == 1 ? Stream.of(64, 37, 512) : Stream.of(64, 512))
                    .map(w -> Arguments.of(e.label(), w)));
  }

  /** Whole numbers stay what they are but in blocks. */
  private static Tolerance kept(Encoding encoding, Values wanted) {
    return near(wanted, encoding.blockElements() == 1 ? exact() : ofRow(Tolerance.step(encoding)));
  }

  @ParameterizedTest
  @MethodSource("rows")
  void stage(String label, int width) {
    Encoding encoding = encoding(label);
    Values given = Values.integers(TOKENS, width, 15, 3);
    int staged = 9;
    Values wanted =
        new Values(
            staged + TOKENS + 2,
            width,
            variant -> {
              float[] x = new float[(staged + TOKENS + 2) * width];
              System.arraycopy(given.of(variant), 0, x, staged * width, TOKENS * width);
              return x;
            });
    rig.compare(
        b -> {
          Tensor x = b.input("x", given);
          Values before = Values.fill(wanted.rows(), width, 0);
          KvCache rows = b.cache(encoding, before, 1, kept(encoding, wanted));
          return ops -> ops.stage(x, new Ring(rows.entries(), 1, 8, staged));
        });
  }

  /** Some sequences have more rows than the ring is long: the last of them stay. */
  @ParameterizedTest
  @MethodSource("rows")
  void keep(String label, int width) {
    keep(label, width, 4);
    keep(label, width, 1);
    keep(label, width, 128);
  }

  private void keep(String label, int width, int length) {
    Encoding encoding = encoding(label);
    Steps.Step[] steps = steps();
    int first = 2;
    int all = first + 3 * length + 1;
    Values given = Values.integers(TOKENS, width, 15, 3);
    Values wanted =
        new Values(
            all,
            width,
            variant -> {
              float[] x = new float[all * width];
              Steps.Step step = steps[variant];
              for (int t = 0; t < step.real(); t++) {
                int row = first + step.sequence()[t] * length + step.position()[t] % length;
                System.arraycopy(given.of(variant), t * width, x, row * width, width);
              }
              return x;
            });
    rig.compare(
        b -> {
          Tensor x = b.input("x", given);
          StepBatch batch = b.step(Steps.of(4, steps[0], steps[1]));
          KvCache rows = b.cache(encoding, Values.fill(all, width, 0), 1, kept(encoding, wanted));
          return ops -> ops.keep(x, new Ring(rows.entries(), first, length, -1), batch);
        });
  }

  // ---- what a row looks at ----------------------------------------------------------------------

  /** Window, tokens of a block (0: there are none), whether some are chosen, spare columns. */
  @ParameterizedTest
  @CsvSource({
    "8, 0, false, 0",
    "1, 0, false, 3",
    "128, 0, false, 0",
    "8, 4, false, 0",
    "128, 128, false, 5",
    "8, 4, true, 0",
    "128, 4, true, 2"
  })
  void look(int window, int block, boolean some, int spare) {
    Steps.Step[] steps = steps();
    int page = 4;
    int first = 3;
    int length = window + 1;
    int staged = first + 3 * length;
    int mostChosen = 7;
    int most = block == 0 ? 0 : some ? mostChosen : 1024 / block;
    int wide = window + most + spare;
    Values chosen = Values.integers(TOKENS, mostChosen, 1000, 5);
    Values counts = Values.integers(1, TOKENS, mostChosen + 1, 6);
    int[][] count = new int[Values.VARIANTS][TOKENS];
    float[][] rows = new float[Values.VARIANTS][TOKENS * wide];
    for (int variant = 0; variant < Values.VARIANTS; variant++) {
      Steps.Step step = steps[variant];
      Arrays.fill(rows[variant], -1);
      for (int t = 0; t < step.real(); t++) {
        List<Integer> seen = new ArrayList<>();
        int s = step.sequence()[t];
        int start = (variant == 0 ? FIRST : SECOND).get(s).start();
        for (int p = Math.max(0, step.position()[t] - window + 1); p <= step.position()[t]; p++) {
          seen.add(
              p >= start ? staged + t - (step.position()[t] - p) : first + s * length + p % length);
        }
        for (int i = 0; some && i < (int) counts.of(variant)[t]; i++) {
          seen.add((int) chosen.of(variant)[t * mostChosen + i]);
        }
        for (int i = 0; !some && block > 0 && i < (step.position()[t] + 1) / block; i++) {
          seen.add(step.cacheRow(s, i, page));
        }
        count[variant][t] = seen.size();
        for (int i = 0; i < seen.size(); i++) {
          rows[variant][t * wide + i] = seen.get(i);
        }
      }
    }
    rig.compare(
        b -> {
          StepBatch batch = b.step(Steps.of(page, steps[0], steps[1]));
          Tensor layer = b.input("layer", Values.fill(staged + TOKENS, 32, 0));
          Tensor entries = b.input("blocks", Values.fill(3 * 260 * page, 32, 0));
          Tensor lengths =
              b.integers("seen", ints((v, t) -> steps[v].kvLength()[t] / block(block)));
          Optional<Blocks> all =
              block > 0 && !some
                  ? Optional.of(new Blocks(new KvCache(entries, page), lengths))
                  : Optional.empty();
          Optional<Selection> choice =
              some
                  ? Optional.of(
                      new Selection(
                          b.integers("chosen", chosen), lengths, b.integers("many", counts)))
                  : Optional.empty();
          Selection out =
              new Selection(
                  b.integerOutput("rows", TOKENS, wide, byVariant(TOKENS, wide, rows)),
                  b.integerOutput(
                      "sequence", 1, TOKENS, ints((v, t) -> steps[v].sequence()[t] < 0 ? -1 : t)),
                  b.integerOutput("count", 1, TOKENS, ints((v, t) -> count[v][t])));
          Ring ring = new Ring(layer, first, length, staged);
          return ops -> ops.look(ring, window, all, choice, batch, out);
        });
  }

  private static int block(int block) {
    return Math.max(1, block);
  }

  private interface OfRow {
    int of(int variant, int t);
  }

  private static Values ints(OfRow of) {
    return new Values(
        1,
        TOKENS,
        variant -> {
          float[] x = new float[TOKENS];
          for (int t = 0; t < TOKENS; t++) {
            x[t] = of.of(variant, t);
          }
          return x;
        });
  }

  private static Values byVariant(int rows, int cols, float[][] x) {
    return new Values(rows, cols, variant -> x[variant].clone());
  }

  // ---- attention --------------------------------------------------------------------------------

  /** Encoding, heads, elements, entries of the longest row, rows of the step. */
  Stream<Arguments> sinkDecode() {
    return caches().stream()
        .map(Encoding::label)
        .flatMap(
            e ->
                Stream.of(
                    Arguments.of(e, 1, 64, 16, 5),
                    Arguments.of(e, 7, 96, 70, 5),
                    Arguments.of(e, 16, 128, 300, 19),
                    Arguments.of(e, 64, 512, 200, 5),
                    Arguments.of(e, 8, 512, 1100, 2)));
  }

  /** Over tables of pages of one entry: rows of a window and blocks, all of them value too. */
  @ParameterizedTest
  @MethodSource
  void sinkDecode(String label, int heads, int d, int most, int tokens) {
    Encoding encoding = encoding(label);
    MlaShape shape = new MlaShape(heads, d, 0, d, d, (float) (1 / Math.sqrt(d)));
    int entries = 1200;
    Values rows =
        new Values(
            tokens,
            most,
            variant -> {
              float[] x = new float[tokens * most];
              for (int t = 0; t < tokens; t++) {
                int[] some =
                    new Random(10L * variant + t).ints(0, entries).distinct().limit(most).toArray();
                for (int i = 0; i < most; i++) {
                  x[t * most + i] = some[i];
                }
              }
              return x;
            });
    Values count =
        new Values(
            1,
            tokens,
            variant -> {
              float[] x = new float[tokens];
              for (int t = 0; t < tokens; t++) {
                x[t] = t % 3 == 2 ? variant : t % 3 == 1 ? most / (2f + variant) : most;
              }
              x[tokens - 1] = variant == 0 ? 0 : x[tokens - 1];
              return changed(Values.literal(1, tokens, x), CompressedConformance::floor).of(0);
            });
    Values sequence =
        new Values(
            1,
            tokens,
            variant -> {
              float[] x = new float[tokens];
              for (int t = 0; t < tokens; t++) {
                x[t] = variant == 0 && t == tokens - 1 ? -1 : t;
              }
              return x;
            });
    float[] sinks = Values.normal(1, heads, 8, 1, 3).of(0);
    rig.compare(
        b -> {
          Tensor q = b.input("q", Values.normal(tokens, heads * d, 3));
          StepBatch step = b.step(Steps.plain(tokens, 0));
          Selection chosen =
              new Selection(
                  b.integers("rows", rows),
                  b.integers("sequences", sequence),
                  b.integers("count", count));
          KvCache cache = b.cache(encoding, Values.normal(entries, d, 4), 16, Tolerance.exact());
          Tensor sink = b.vector(rig.arena(), "sinks", sinks);
          Tensor out =
              b.output("out", tokens, heads * d, absolute(2e-4 + 4 * Tolerance.step(encoding)));
          return ops ->
              ops.sinkDecode(q, chosen.entries(cache), sink, shape, chosen.batch(step), out);
        });
  }

  private static void floor(float[] x) {
    for (int i = 0; i < x.length; i++) {
      x[i] = (int) x[i];
    }
  }

  /** Two entries of score 0 beside sinks of e^sink = 2, none, all, and as much again. */
  @Test
  void sinksOfKnownNumbers() {
    int d = 64;
    MlaShape shape = new MlaShape(4, d, 0, d, d, 1);
    double[] share = {1 / 4.0, 1 / 2.0, 0, 1 / 3.0};
    Values wanted =
        new Values(
            2,
            4 * d,
            _ -> {
              float[] x = new float[2 * 4 * d];
              for (int i = 0; i < 4 * d; i++) {
                x[i] = (float) ((3 + 5) * share[i / d]);
              }
              return x;
            });
    Steps.Step both =
        new Steps.Step(new int[] {1, 0}, new int[] {0, -1}, new int[] {2, 0}, new int[][] {{0}});
    rig.compare(
        b -> {
          Tensor q = b.input("q", Values.fill(2, 4 * d, 0));
          KvCache cache =
              b.cache(
                  Encoding.F32,
                  new Values(
                      2,
                      d,
                      _ -> {
                        float[] x = new float[2 * d];
                        Arrays.fill(x, 0, d, 3);
                        Arrays.fill(x, d, 2 * d, 5);
                        return x;
                      }),
                  2,
                  exact());
          StepBatch batch = b.step(Steps.of(2, both));
          Tensor sinks = b.vector(rig.arena(), "sinks", (float) Math.log(2), -1e30f, 1e4f, 0);
          Tensor out = b.output("out", 2, 4 * d, near(wanted, absolute(1e-5)));
          return ops -> ops.sinkDecode(q, cache, sinks, shape, batch, out);
        });
  }
}
