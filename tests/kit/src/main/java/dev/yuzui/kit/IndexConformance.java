package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.near;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.ToIntBiFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Which entries sparse attention looks at, what it is chosen by, and attention over a choice. */
public abstract class IndexConformance extends Conformance {

  /** Two steps of rows at the edges of pages and of the number that is chosen. */
  private record Case(int tokens, int page, List<Steps.Span> first, List<Steps.Span> second) {}

  private static final Case SHORT =
      new Case(
          9,
          4,
          List.of(span(0, 3), span(4, 2), span(30, 3)),
          List.of(span(17, 4), span(0, 1), span(5, 3)));
  private static final Case LONG =
      new Case(3, 64, List.of(span(2998, 2), span(700, 1)), List.of(span(99, 1), span(2100, 2)));
  private static final Case PROMPT = new Case(40, 16, List.of(span(0, 38)), List.of(span(70, 40)));

  /** Encoding, case, heads, elements, those that are chosen. */
  Stream<Arguments> choices() {
    return caches().stream()
        .filter(e -> e.blockElements() == 1) // whole numbers stay what they are
        .map(Encoding::label)
        .flatMap(
            e ->
                e.equals("F16")
                    ? Stream.of(
                        Arguments.of(e, SHORT, new IndexShape(3, 32, 8, 5, false)),
                        Arguments.of(e, SHORT, new IndexShape(1, 64, 64, 40, false)),
                        Arguments.of(e, PROMPT, new IndexShape(64, 128, 64, 33, false)),
                        Arguments.of(e, LONG, new IndexShape(8, 32, 16, 512, false)))
                    : Stream.of(Arguments.of(e, PROMPT, new IndexShape(16, 64, 32, 16, false))));
  }

  /** Whole numbers, so that scores are exact and many are equal. */
  @ParameterizedTest(name = "{0}, {1}, {2}")
  @MethodSource
  void choices(String label, Case c, IndexShape shape) {
    Encoding encoding = encoding(label);
    Steps.Step[] steps = steps(c);
    int rows = rows(steps, c.page());
    Values keys = Values.integers(rows, shape.head(), 3, 3);
    Values query = centred(Values.integers(c.tokens(), shape.heads() * shape.head(), 5, 4), 2);
    Values weight = centred(Values.integers(c.tokens(), shape.heads(), 7, 5), 2);
    Values wanted =
        chosen(
            c,
            steps,
            shape,
            (variant, t) -> scores(variant, t, c, steps, shape, query, weight, keys));
    rig.compare(
        b -> {
          Tensor q = b.input("q", query);
          Tensor w = b.input("weights", weight);
          StepBatch batch = b.step(Steps.of(c.page(), steps[0], steps[1]));
          KvCache cache = b.cache(encoding, keys, c.page(), Tolerance.exact());
          Selection out =
              new Selection(
                  b.integerOutput("rows", c.tokens(), shape.topK(), wanted),
                  b.integerOutput(
                      "sequence",
                      1,
                      c.tokens(),
                      ints(c, (v, t) -> steps[v].sequence()[t] < 0 ? -1 : t)),
                  b.integerOutput(
                      "count",
                      1,
                      c.tokens(),
                      ints(c, (v, t) -> Math.min(steps[v].kvLength()[t], shape.topK()))));
          return ops -> ops.select(q, w, cache, shape, batch, out);
        });
  }

  private static Steps.Step[] steps(Case c) {
    int longest =
        Stream.concat(c.first().stream(), c.second().stream())
            .mapToInt(s -> s.start() + s.count())
            .max()
            .orElseThrow();
    int pool = Math.max(c.first().size(), c.second().size()) * Math.ceilDiv(longest, c.page());
    return new Steps.Step[] {
      Steps.step(c.tokens(), c.page(), pool, 1, padded(c.first(), c)),
      Steps.step(c.tokens(), c.page(), pool, 2, padded(c.second(), c))
    };
  }

  /** Both steps have as many sequences. */
  private static List<Steps.Span> padded(List<Steps.Span> spans, Case c) {
    int most = Math.max(c.first().size(), c.second().size());
    return Stream.concat(spans.stream(), Stream.generate(() -> span(0, 0))).limit(most).toList();
  }

  private static int rows(Steps.Step[] steps, int page) {
    return Stream.of(steps)
                .flatMap(s -> Arrays.stream(s.pages()))
                .flatMapToInt(Arrays::stream)
                .max()
                .orElseThrow()
            * page
        + page;
  }

  private static Values centred(Values values, int by) {
    return new Values(
        values.rows(),
        values.cols(),
        variant -> {
          float[] x = values.of(variant);
          for (int i = 0; i < x.length; i++) {
            x[i] -= by;
          }
          return x;
        });
  }

  private static Values ints(Case c, ToIntBiFunction<Integer, Integer> of) {
    return new Values(
        1,
        c.tokens(),
        variant -> {
          float[] x = new float[c.tokens()];
          for (int t = 0; t < x.length; t++) {
            x[t] = of.applyAsInt(variant, t);
          }
          return x;
        });
  }

  private interface Scores {
    double[] of(int variant, int t);
  }

  private static Values chosen(Case c, Steps.Step[] steps, IndexShape shape, Scores scores) {
    return new Values(
        c.tokens(),
        shape.topK(),
        variant -> {
          float[] rows = new float[c.tokens() * shape.topK()];
          Arrays.fill(rows, -1);
          for (int t = 0; t < c.tokens(); t++) {
            double[] score = scores.of(variant, t);
            int[] best =
                IntStream.range(0, score.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer i) -> -score[i]))
                    .limit(shape.topK())
                    .mapToInt(Integer::intValue)
                    .sorted()
                    .toArray();
            for (int i = 0; i < best.length; i++) {
              Steps.Step step = steps[variant];
              rows[t * shape.topK() + i] = step.cacheRow(step.sequence()[t], best[i], c.page());
            }
          }
          return rows;
        });
  }

  private static double[] scores(
      int variant,
      int t,
      Case c,
      Steps.Step[] steps,
      IndexShape shape,
      Values query,
      Values weight,
      Values keys) {
    Steps.Step step = steps[variant];
    float[] q = query.of(variant);
    float[] w = weight.of(variant);
    float[] k = keys.of(variant);
    double[] score = new double[step.kvLength()[t]];
    for (int s = 0; s < score.length; s++) {
      int key = step.cacheRow(step.sequence()[t], s, c.page()) * shape.head();
      for (int h = 0; h < shape.heads(); h++) {
        double dot = 0;
        for (int i = 0; i < shape.head(); i++) {
          dot += q[(t * shape.heads() + h) * shape.head() + i] * k[key + i];
        }
        score[s] += w[t * shape.heads() + h] * Math.max(dot, 0);
      }
    }
    return score;
  }

  /** Whatever keys are kept in, and spread as those of eight bits are. */
  Stream<Arguments> keysThatWereAppended() {
    return caches().stream()
        .map(Encoding::label)
        .flatMap(e -> Stream.of(Arguments.of(e, false), Arguments.of(e, true)));
  }

  /** Rows see what they and the rows before them appended. */
  @ParameterizedTest
  @MethodSource
  void keysThatWereAppended(String label, boolean rotated) {
    Encoding encoding = encoding(label);
    IndexShape shape = new IndexShape(4, 32, 16, 9, rotated);
    Case c = PROMPT;
    Steps.Step step = Steps.step(c.tokens(), c.page(), 3, 7, List.of(span(0, 37)));
    HostTensor table = rig.weight(Encoding.F32, 40, shape.rope(), 5);
    HostTensor norm = rig.weight(Encoding.F32, 1, shape.head(), 6);
    HostTensor bias = rig.weight(Encoding.F32, 1, shape.head(), 7);
    rig.compare(
        b -> {
          Tensor k = b.input("keys", Values.normal(c.tokens(), shape.head(), 8, 0.5, 2));
          Tensor q = b.input("q", Values.normal(c.tokens(), shape.heads() * shape.head(), 9));
          Tensor w = b.input("weights", Values.normal(c.tokens(), shape.heads(), 10));
          Tensor by = b.weight(norm);
          Tensor more = b.weight(bias);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(Steps.of(c.page(), step));
          KvCache cache =
              b.cache(
                  encoding,
                  Values.fill(3 * c.page(), shape.head(), 0),
                  c.page(),
                  Tolerance.stored(encoding, c.tokens() * shape.head()));
          Selection out =
              new Selection(
                  b.integerOutput("rows", c.tokens(), shape.topK()),
                  b.integerOutput("sequence", 1, c.tokens()),
                  b.integerOutput("count", 1, c.tokens()));
          return ops -> {
            ops.appendIndex(k, by, more, 1e-6f, angles, cache, shape, batch);
            ops.select(q, w, cache, shape, batch, out);
          };
        });
  }

  @Test
  void theNormTakesTheMeanOutAndTheFirstElementsRotate() {
    // at position 1 the table turns the pair by a right angle; 1, 3, 5, 7 normalised are ∓1.34,
    // ∓0.45
    HostTensor table =
        Weights.of(rig.arena(), "rope", Encoding.F32, 2, 2, new float[] {1, 0, 0, 1});
    IndexShape shape = new IndexShape(1, 4, 2, 1, false);
    double a = 3 / Math.sqrt(5);
    double c = 1 / Math.sqrt(5);
    Values wanted =
        Values.literal(
            2, 4, -a + 1, -c, 2 * c, a, c, -a + 1, 2 * c, a); // norm 1, 1, 2, 1; bias 1, 0, 0, 0
    rig.compare(
        b -> {
          Tensor k = b.input("keys", Values.literal(2, 4, 1, 3, 5, 7, 11, 13, 15, 17));
          Tensor norm = b.vector(rig.arena(), "norm", 1, 1, 2, 1);
          Tensor bias = b.vector(rig.arena(), "bias", 1, 0, 0, 0);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(Steps.of(2, Steps.step(2, 2, 1, 1, List.of(span(0, 2)))));
          KvCache cache =
              b.cache(Encoding.F32, Values.fill(2, 4, 0), 2, near(wanted, absolute(1e-5)));
          return ops -> ops.appendIndex(k, norm, bias, 1e-6f, angles, cache, shape, batch);
        });
  }

  /** Encoding, heads, rank of the latent, rotated elements, entries that are looked at. */
  Stream<Arguments> attentionOverASelection() {
    return caches().stream()
        .map(Encoding::label)
        .flatMap(
            e ->
                Stream.of(
                    Arguments.of(e, 4, 64, 32, 16),
                    Arguments.of(e, 3, 32, 32, 70),
                    Arguments.of(e, 16, 512, 64, 300)));
  }

  /** A selection is a page table of pages of one entry: what it leaves out is not looked at. */
  @ParameterizedTest
  @MethodSource
  void attentionOverASelection(String label, int heads, int lkv, int rope, int most) {
    Encoding encoding = encoding(label);
    MlaShape shape = new MlaShape(heads, 32, rope, 32, lkv, 0.07f);
    int tokens = 5;
    int entries = 512;
    Values rows =
        new Values(
            tokens,
            most,
            variant -> {
              float[] x = new float[tokens * most];
              for (int t = 0; t < tokens; t++) {
                int[] some =
                    new Random(10L * variant + t)
                        .ints(0, entries)
                        .distinct()
                        .limit(most)
                        .sorted()
                        .toArray();
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
              int few = variant == 0 ? 1 : most / 2;
              return new float[] {most, few, variant == 0 ? 0 : most, most / 3 + 1f, most};
            });
    Values sequence =
        new Values(1, tokens, variant -> new float[] {0, 1, variant == 0 ? -1 : 2, 3, 4});
    rig.compare(
        b -> {
          Tensor q = b.input("q", Values.normal(tokens, heads * shape.entry(), 3));
          StepBatch step = b.step(Steps.plain(tokens, 0));
          Selection chosen =
              new Selection(
                  b.integers("rows", rows),
                  b.integers("sequences", sequence),
                  b.integers("count", count));
          KvCache cache =
              b.cache(encoding, Values.normal(entries, shape.entry(), 4), 16, Tolerance.exact());
          Tensor out =
              b.output("out", tokens, heads * lkv, absolute(2e-4 + 4 * Tolerance.step(encoding)));
          return ops -> ops.mlaDecode(q, chosen.entries(cache), shape, chosen.batch(step), out);
        });
  }

  /** Encoding, case, entries that are looked at. */
  Stream<Arguments> promptsOverAChoice() {
    Case several = new Case(40, 4, List.of(span(30, 20), span(3, 17)), List.of(span(0, 40)));
    Case deep = new Case(80, 64, List.of(span(130, 80)), List.of(span(0, 70)));
    return caches().stream()
        .map(Encoding::label)
        .flatMap(
            e ->
                Stream.of(
                    Arguments.of(e, several, 9),
                    Arguments.of(e, deep, 150),
                    Arguments.of(e, deep, 3)));
  }

  /** Rows look at some of what they see, each at others; in whichever form it is computed. */
  @ParameterizedTest
  @MethodSource
  void promptsOverAChoice(String label, Case c, int most) {
    Encoding encoding = encoding(label);
    MlaShape shape = new MlaShape(3, 32, 16, 32, 48 + 32 * 3, 0.09f);
    Steps.Step[] steps = steps(c);
    IndexShape any = new IndexShape(1, 2, 2, most, false);
    Values rows =
        chosen(
            c,
            steps,
            any,
            (v, t) -> new Random(100L * v + t).doubles(steps[v].kvLength()[t]).toArray());
    HostTensor keyUp = rig.weight(Encoding.F32, shape.heads() * shape.kvLora(), shape.nope(), 2);
    HostTensor valueUp = rig.weight(Encoding.F32, shape.heads() * shape.value(), shape.kvLora(), 3);
    rig.compare(
        b -> {
          Tensor q = b.input("q", Values.normal(c.tokens(), shape.heads() * shape.query(), 4));
          Tensor up = b.weight(keyUp);
          Tensor down = b.weight(valueUp);
          StepBatch batch = b.step(Steps.of(c.page(), steps[0], steps[1]));
          Selection chosen =
              new Selection(
                  b.integers("rows", rows),
                  b.integers("sequences", ints(c, (v, t) -> steps[v].sequence()[t] < 0 ? -1 : t)),
                  b.integers("count", ints(c, (v, t) -> Math.min(steps[v].kvLength()[t], most))));
          KvCache cache =
              b.cache(
                  encoding,
                  Values.normal(rows(steps, c.page()), shape.entry(), 5),
                  c.page(),
                  Tolerance.exact());
          Tensor out =
              b.output(
                  "out",
                  c.tokens(),
                  shape.heads() * shape.value(),
                  absolute(2e-4 + 4 * Tolerance.step(encoding)));
          return ops -> ops.mlaChosen(q, cache, up, down, shape, batch, chosen, out);
        });
  }
}
