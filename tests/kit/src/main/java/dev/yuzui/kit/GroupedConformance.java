package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.exact;
import static dev.yuzui.kit.Tolerance.near;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Grouped-query attention against a naive one, and what enters its cache. */
public abstract class GroupedConformance extends Conformance {
  /** Heads over key and value heads: 1, 3, all to one. */
  private static final List<GroupedShape> SMALL =
      List.of(
          new GroupedShape(2, 2, 16, 0.25f),
          new GroupedShape(6, 2, 32, 0.18f),
          new GroupedShape(5, 1, 16, 0.25f));

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("stepsAndCaches")
  void attend(
      String name,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    for (GroupedShape shape : SMALL) {
      attend(shape, paged(shape, encoding, page, tokens, first, second));
    }
  }

  /** Encoding, heads, key and value heads, elements of a head: those of published models. */
  Stream<Arguments> headsOfPublishedModels() {
    return caches().stream()
        .map(Encoding::label)
        .flatMap(
            e ->
                Stream.of(
                    Arguments.of(e, 12, 2, 128),
                    Arguments.of(e, 14, 2, 64),
                    Arguments.of(e, 40, 8, 128),
                    Arguments.of(e, 8, 1, 128),
                    Arguments.of(e, 16, 4, 64),
                    Arguments.of(e, 4, 4, 128),
                    Arguments.of(e, 33, 1, 64)));
  }

  @ParameterizedTest
  @MethodSource
  void headsOfPublishedModels(String encoding, int heads, int kvHeads, int head) {
    GroupedShape shape = new GroupedShape(heads, kvHeads, head, (float) (1 / Math.sqrt(head)));
    attend(
        shape,
        paged(
            shape,
            encoding,
            16,
            7,
            List.of(span(100, 4), span(3, 1), span(20, 2)),
            List.of(span(30, 1), span(0, 5), span(70, 1))));
    attend(
        shape,
        paged(
            shape,
            encoding,
            64,
            19,
            List.of(span(0, 14), span(5, 5)),
            List.of(span(60, 12), span(3, 4))));
  }

  /** Heads that are no whole vectors, and wider than most published models'. */
  Stream<Arguments> headsOfAnyEvenWidth() {
    return caches().stream()
        .flatMap(
            e ->
                Stream.of(
                        new int[] {8, 4, 12},
                        new int[] {6, 2, 24},
                        new int[] {4, 2, 80},
                        new int[] {3, 1, 160},
                        new int[] {2, 1, 256})
                    .filter(s -> 2 * s[2] % e.blockElements() == 0)
                    .map(s -> Arguments.of(e.label(), s[0], s[1], s[2])));
  }

  @ParameterizedTest
  @MethodSource
  void headsOfAnyEvenWidth(String encoding, int heads, int kvHeads, int head) {
    GroupedShape shape = new GroupedShape(heads, kvHeads, head, (float) (1 / Math.sqrt(head)));
    attend(
        shape,
        paged(
            shape,
            encoding,
            16,
            9,
            List.of(span(40, 7), span(70, 1)),
            List.of(span(3, 1), span(0, 5))));
  }

  /** e^score overflows in F32 from 89 on. */
  @Test
  void softmaxStaysFiniteForLargeScores() {
    GroupedShape shape = new GroupedShape(6, 2, 32, 40f);
    CachedEntries c =
        paged(
            shape,
            "F32",
            16,
            5,
            List.of(span(30, 3), span(7, 2)),
            List.of(span(0, 4), span(50, 1)));
    attend(shape, c, 5e-3);
  }

  @Test
  void kvLengthAloneSaysWhatARowMaySee() {
    int[][] pages = {{3, 0, 1, 2}};
    int[] sequence = {0, 0, 0, 0, 0};
    int[] position = {10, 11, 12, 13, 14};
    Steps.Step step = new Steps.Step(position, sequence, new int[] {1, 15, 0, 4, 13}, pages);
    Steps.Step other = new Steps.Step(position, sequence, new int[] {16, 0, 1, 1, 8}, pages);
    for (GroupedShape shape : SMALL) {
      attend(
          shape,
          new CachedEntries(shape.entry(), Encoding.F32, Steps.of(4, step, other), step, other, 4));
    }
  }

  @Test
  void appendTurnsKeysAndKeepsValues() {
    // at position 1 the table turns the pair by a right angle
    HostTensor table =
        Weights.of(rig.arena(), "rope", Encoding.F32, 2, 2, new float[] {1, 0, 0, 1});
    Steps steps = Steps.of(2, Steps.step(2, 2, 1, 1, List.of(span(0, 2))));
    Values wanted = Values.literal(2, 8, 1, 2, 10, 20, 3, 4, 30, 40, -6, 5, 50, 60, -8, 7, 70, 80);
    GroupedShape shape = new GroupedShape(2, 2, 2, 1);
    rig.compare(
        b -> {
          Tensor k = b.input("k", Values.literal(2, 4, 1, 2, 3, 4, 5, 6, 7, 8));
          Tensor v = b.input("v", Values.literal(2, 4, 10, 20, 30, 40, 50, 60, 70, 80));
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          KvCache cache =
              b.cache(Encoding.F32, Values.fill(2, 8, Float.NaN), 2, near(wanted, exact()));
          return ops -> ops.append(k, v, angles, cache, shape, batch);
        });
  }

  /** Encoding, key and value heads, elements of a head, page. */
  Stream<Arguments> appendReachesEachEntryAcrossPages() {
    return Stream.concat(
        Stream.of(Arguments.of("F32", 3, 6, 1)),
        caches().stream()
            .flatMap(
                e ->
                    Stream.of(
                        Arguments.of(e.label(), 1, 32, 1),
                        Arguments.of(e.label(), 2, 64, 16),
                        Arguments.of(e.label(), 8, 128, 64))));
  }

  @ParameterizedTest
  @MethodSource
  void appendReachesEachEntryAcrossPages(String label, int kvHeads, int head, int page) {
    Encoding encoding = encoding(label);
    GroupedShape shape = new GroupedShape(2 * kvHeads, kvHeads, head, 1);
    HostTensor table = rig.weight(Encoding.F32, 200, head, 5);
    int pool = 3 * Math.ceilDiv(140, page) + 3;
    Steps.Step first =
        Steps.step(12, page, pool, 5, List.of(span(0, 5), span(61, 4), span(130, 1)));
    Steps.Step second =
        Steps.step(12, page, pool, 6, List.of(span(15, 2), span(0, 1), span(60, 9)));
    // what lay in the cache before stays, but for the appended entries
    Values before = Values.normal(pool * page, shape.entry(), 7);
    int half = shape.entry() / 2;
    rig.compare(
        b -> {
          Tensor k = b.input("k", Values.normal(12, half, 8));
          Tensor v = b.input("v", Values.normal(12, half, 9));
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(Steps.of(page, first, second));
          KvCache cache =
              b.cache(encoding, before, page, Tolerance.stored(encoding, 12 * shape.entry()));
          return ops -> ops.append(k, v, angles, cache, shape, batch);
        });
  }

  /** Drafts are appended, refused, and overwritten: nothing of them may be seen. */
  @Test
  void rollbackIsAShorterLength() {
    GroupedShape shape = SMALL.get(1);
    int[][] pages = {{2, 0, 1}, {5, 3, 4}};
    Steps.Step drafts = step(new int[] {5, 6, 7, 8, 2, 3}, new int[] {0, 0, 0, 0, 1, 1}, pages);
    Steps.Step accepted = step(new int[] {6, 7, 3, 4}, new int[] {0, 0, 1, 1}, pages);
    HostTensor table = rig.weight(Encoding.F32, 12, shape.head(), 5);
    int half = shape.entry() / 2;
    rig.compare(
        b -> {
          Tensor k = b.input("drafted k", Values.normal(6, half, 7));
          Tensor v = b.input("drafted v", Values.normal(6, half, 8));
          Tensor k2 = b.input("k", Values.normal(4, half, 11));
          Tensor v2 = b.input("v", Values.normal(4, half, 12));
          Tensor q = b.input("q", Values.normal(4, shape.heads() * shape.head(), 13));
          Tensor angles = b.weight(table);
          StepBatch first = b.step(Steps.of(4, drafts));
          StepBatch second = b.step(Steps.of(4, accepted));
          KvCache cache =
              b.cache(Encoding.F32, Values.normal(24, shape.entry(), 17), 4, Tolerance.ofRow(1e-6));
          Tensor out = b.output("out", 4, shape.heads() * shape.head(), absolute(1e-4));
          return ops -> {
            ops.append(k, v, angles, cache, shape, first);
            ops.append(k2, v2, angles, cache, shape, second);
            ops.attend(q, cache, shape, second, out);
          };
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 5", "17, 64", "2, 2049", "64, 33"})
  void addRow(int tokens, int cols) {
    HostTensor row = rig.weight(Encoding.F32, 1, cols, 3);
    rig.compare(
        b -> {
          Tensor x = b.inOut("x", Values.normal(tokens, cols, 1), exact());
          Tensor more = b.weight(row);
          return ops -> ops.addRow(x, more);
        });
  }

  private static Steps.Step step(int[] position, int[] sequence, int[][] pages) {
    int[] visible = IntStream.of(position).map(p -> p + 1).toArray();
    return new Steps.Step(position, sequence, visible, pages);
  }

  private CachedEntries paged(
      GroupedShape shape,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    return entries(shape.entry(), encoding, page, tokens, first, second);
  }

  private void attend(GroupedShape shape, CachedEntries c) {
    attend(shape, c, 2e-5);
  }

  private void attend(GroupedShape shape, CachedEntries c, double epsilon) {
    int tokens = c.steps().tokens();
    Values query = Values.normal(tokens, shape.heads() * shape.head(), 101);
    Values wanted = naive(shape, c, query);
    rig.compare(
        b -> {
          Tensor q = b.input("q", query);
          StepBatch batch = b.step(c.steps());
          KvCache cache = c.cache(b);
          Tensor out = b.output("out", tokens, wanted.cols(), near(wanted, absolute(4 * epsilon)));
          return ops -> ops.attend(q, cache, shape, batch, out);
        });
  }

  /** softmax(q·kᵀ·scale)·v of each head */
  private static Values naive(GroupedShape shape, CachedEntries c, Values query) {
    int d = shape.head();
    return new Values(
        query.rows(),
        query.cols(),
        variant -> {
          Steps.Step step = c.step(variant);
          float[] cache = c.stored(variant);
          float[] q = query.of(variant);
          float[] out = new float[q.length];
          for (int t = 0; t < step.tokens(); t++) {
            for (int n = 0; n < shape.heads(); n++) {
              int from = t * query.cols() + n * d;
              int key = n / (shape.heads() / shape.kvHeads()) * 2 * d;
              double[] weights = new double[step.kvLength()[t]];
              for (int i = 0; i < weights.length; i++) {
                int at = c.row(step, t, i) + key;
                for (int e = 0; e < d; e++) {
                  weights[i] += (double) q[from + e] * cache[at + e];
                }
              }
              CachedEntries.softmax(weights, shape.scale());
              for (int e = 0; e < d; e++) {
                double sum = 0;
                for (int i = 0; i < weights.length; i++) {
                  sum += weights[i] * cache[c.row(step, t, i) + key + d + e];
                }
                out[from + e] = (float) sum;
              }
            }
          }
          return out;
        });
  }
}
