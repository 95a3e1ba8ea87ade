package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.near;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
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

/** Attention in its three forms, each against a naive one and so against each other. */
public abstract class AttentionConformance extends Conformance {
  private static final MlaShape TINY = new MlaShape(1, 4, 2, 3, 5, 0.4f);
  private static final MlaShape SMALL = new MlaShape(3, 32, 8, 16, 24, 0.16f);
  private static final MlaShape MIDDLE = new MlaShape(16, 32, 32, 32, 64, 0.125f);
  private static final MlaShape EXPANDABLE = new MlaShape(3, 32, 16, 48, 96, 0.144f);
  private static final MlaShape V2_LITE = new MlaShape(16, 128, 64, 128, 512, 0.1147f);

  /** What a step may look like: name, tokens of a page, rows, and the spans of two variants. */
  static Stream<Arguments> steps() {
    return Stream.of(
        Arguments.of("one token", 16, 1, List.of(span(0, 1)), List.of(span(40, 1))),
        Arguments.of("a prompt", 16, 7, List.of(span(0, 7)), List.of(span(11, 7))),
        Arguments.of(
            "sequences of mixed length, padding",
            16,
            4,
            List.of(span(0, 1), span(30, 1), span(15, 1)),
            List.of(span(16, 1), span(0, 1), span(63, 1))),
        Arguments.of(
            "drafts", 16, 8, List.of(span(10, 4), span(31, 3)), List.of(span(0, 2), span(14, 5))),
        Arguments.of(
            "pages of one token",
            1,
            5,
            List.of(span(9, 2), span(3, 2)),
            List.of(span(0, 1), span(5, 4))),
        Arguments.of("pages of 64", 64, 3, List.of(span(62, 3)), List.of(span(127, 2))),
        Arguments.of(
            "pages of an odd size",
            7,
            9,
            List.of(span(5, 3), span(0, 6)),
            List.of(span(20, 1), span(6, 2))),
        Arguments.of(
            "a long sequence beside a short one",
            16,
            3,
            List.of(span(1030, 1), span(0, 2)),
            List.of(span(0, 2), span(999, 1))),
        Arguments.of("a chunk", 16, 33, List.of(span(100, 33)), List.of(span(0, 20))),
        Arguments.of(
            "two prompts and a token",
            32,
            64,
            List.of(span(0, 37), span(0, 20), span(70, 1)),
            List.of(span(5, 17), span(50, 1), span(0, 46))),
        Arguments.of("padding alone", 4, 3, List.of(span(0, 0)), List.of(span(0, 0))));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("stepsAndCaches")
  void decode(
      String name,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    for (MlaShape shape : List.of(TINY, SMALL)) {
      if (fits(shape, encoding)) {
        decode(paged(shape, encoding, page, tokens, first, second), 2e-5);
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("stepsAndCaches")
  void expandedAndAbsorbed(
      String name,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    for (MlaShape shape : List.of(TINY, SMALL)) {
      if (fits(shape, encoding)) {
        bothForms(paged(shape, encoding, page, tokens, first, second), "F32", 3e-5);
      }
    }
  }

  Stream<Arguments> manyHeads() {
    return caches().stream().map(Encoding::label).map(Arguments::of);
  }

  @ParameterizedTest
  @MethodSource
  void manyHeads(String encoding) {
    decode(
        paged(
            MIDDLE,
            encoding,
            16,
            19,
            List.of(span(200, 1), span(40, 5), span(0, 12)),
            List.of(span(3, 17), span(300, 1), span(77, 1))),
        2e-5);
  }

  @ParameterizedTest
  @CsvSource({"F16, 3e-5", "BF16, 3e-5", "Q8_0, 0.05"})
  void expandedAndAbsorbedWithUpProjectionsIn(String weights, double epsilon) {
    MlaShape shape = new MlaShape(4, 32, 32, 16, 64, 0.125f);
    bothForms(
        paged(
            shape,
            "F16",
            16,
            12,
            List.of(span(20, 7), span(0, 3)),
            List.of(span(40, 2), span(3, 10))),
        weights,
        epsilon);
  }

  Stream<Arguments> promptsBesideDecoding() {
    return ofItsCaches("F16, BF16", "BF16, Q8_0", "E4M3, F16", "F32, BF16");
  }

  /** Prompts, whole or continued, beside decoding sequences, with padding: what expands. */
  @ParameterizedTest
  @MethodSource
  void promptsBesideDecoding(String cache, String weights) {
    for (MlaShape shape : List.of(EXPANDABLE, MIDDLE)) {
      bothForms(
          paged(
              shape,
              cache,
              16,
              37,
              List.of(span(0, 21), span(33, 1), span(20, 13)),
              List.of(span(5, 30), span(0, 1), span(64, 3))),
          weights,
          switch (weights) {
            case "F16", "BF16" -> 3e-5;
            case "Q8_0" -> 0.05;
            default ->
                throw new IllegalArgumentException("no bound of up projections in " + weights);
          });
    }
  }

  Stream<Arguments> aPromptWithHeadsOfV2Lite() {
    return ofItsCaches("F16", "BF16", "E4M3");
  }

  @ParameterizedTest
  @MethodSource
  void aPromptWithHeadsOfV2Lite(String cache) {
    bothForms(
        paged(
            new MlaShape(2, 128, 64, 128, 512, 0.1147f),
            cache,
            16,
            18,
            List.of(span(0, 16), span(9, 1)),
            List.of(span(45, 16), span(70, 1))),
        "F16",
        4e-5);
  }

  Stream<Arguments> atTheSizeOfV2Lite() {
    return ofItsCaches("F32", "E4M3", "Q8_0");
  }

  @ParameterizedTest
  @MethodSource
  void atTheSizeOfV2Lite(String encoding) {
    LatentCase c =
        paged(
            V2_LITE,
            encoding,
            64,
            3,
            List.of(span(20, 1), span(9, 2)),
            List.of(span(5, 2), span(63, 1)));
    decode(c, 4e-5);
    bothForms(c, "BF16", 4e-5);
  }

  @Test
  void rowsOfSequencesMayInterleave() {
    int[][] pages = {{4, 0}, {2, 5}, {1, 3}};
    int[] sequence = {2, 0, 1, 0, 2, 0, -1};
    int[] position = {3, 0, 6, 1, 4, 2, 0};
    Steps.Step step = new Steps.Step(position, sequence, visible(position, sequence), pages);
    both(new LatentCase(rig.arena(), SMALL, Encoding.F32, Steps.of(4, step), step, step, 6));
  }

  @Test
  void forksShareThePagesOfTheirPrefix() {
    // both begin with pages 5 and 2; each goes on in a page of its own
    int[][] pages = {{5, 2, 0}, {5, 2, 3}};
    int[] sequence = {0, 0, 1};
    int[] position = {8, 9, 10};
    Steps.Step step = new Steps.Step(position, sequence, visible(position, sequence), pages);
    int[][] swapped = {{1, 4, 3}, {1, 4, 2}};
    Steps.Step other = new Steps.Step(position, sequence, visible(position, sequence), swapped);
    both(
        new LatentCase(rig.arena(), SMALL, Encoding.F16, Steps.of(4, step, other), step, other, 6));
  }

  @Test
  void kvLengthAloneSaysWhatARowMaySee() {
    int[][] pages = {{3, 0, 1, 2}};
    int[] sequence = {0, 0, 0, 0, 0};
    int[] position = {10, 11, 12, 13, 14};
    Steps.Step step = new Steps.Step(position, sequence, new int[] {1, 15, 0, 4, 13}, pages);
    Steps.Step other = new Steps.Step(position, sequence, new int[] {16, 0, 1, 1, 8}, pages);
    both(
        new LatentCase(rig.arena(), SMALL, Encoding.F32, Steps.of(4, step, other), step, other, 4));
  }

  /** e^score overflows in F32 from 89 on. */
  @Test
  void softmaxStaysFiniteForLargeScores() {
    MlaShape shape = new MlaShape(3, 32, 8, 16, 24, 60f);
    LatentCase c =
        paged(
            shape,
            "F32",
            16,
            5,
            List.of(span(30, 3), span(7, 2)),
            List.of(span(0, 4), span(50, 1)));
    // scores of some 1e3 carry an error of some 1e-3 in F32
    decode(c, 5e-3);
    bothForms(c, "F32", 5e-3);
  }

  @Test
  void equalScoresGiveTheMean() {
    MlaShape shape = new MlaShape(1, 2, 2, 2, 2, 1);
    Steps steps = Steps.of(2, Steps.step(1, 2, 2, 3, List.of(span(2, 1))));
    Values entries = Values.literal(4, 4, 3, 6, 1, 1, 3, 6, 1, 1, 3, 6, 1, 1, 3, 6, 1, 1);
    rig.compare(
        b -> {
          Tensor q = b.input("q", Values.literal(1, 4, 0, 0, 5, -5));
          StepBatch batch = b.step(steps);
          KvCache cache = b.cache(Encoding.F32, entries, 2, Tolerance.exact());
          Tensor out = b.output("out", 1, 2, near(Values.literal(1, 2, 3, 6), absolute(1e-5)));
          return ops -> ops.mlaDecode(q, cache, shape, batch, out);
        });
  }

  Stream<Arguments> rollbackIsAShorterLength() {
    return caches().stream().map(e -> Arguments.of(e.label(), 2e-5 + 2 * Tolerance.step(e)));
  }

  /** Drafts are appended, refused, and overwritten: nothing of them may be seen. */
  @ParameterizedTest
  @MethodSource
  void rollbackIsAShorterLength(String encoding, double epsilon) {
    int page = 4;
    int[][] pages = {{2, 0, 1}, {5, 3, 4}};
    Steps.Step drafts = twoSequences(new int[] {5, 6, 7, 8}, new int[] {2, 3}, pages);
    Steps.Step accepted = twoSequences(new int[] {6, 7}, new int[] {3, 4}, pages);
    HostTensor norm = rig.weight(Encoding.F32, 1, SMALL.kvLora(), 3);
    HostTensor table = rig.weight(Encoding.F32, 12, SMALL.rope(), 5);
    int tokens = accepted.tokens();
    rig.compare(
        b -> {
          Tensor drafted = b.input("drafted", Values.normal(6, SMALL.entry(), 7));
          Tensor kv = b.input("kv", Values.normal(tokens, SMALL.entry(), 11));
          Tensor q = b.input("q", Values.normal(tokens, SMALL.heads() * SMALL.entry(), 13));
          Tensor weight = b.weight(norm);
          Tensor angles = b.weight(table);
          StepBatch first = b.step(Steps.of(page, drafts));
          StepBatch second = b.step(Steps.of(page, accepted));
          KvCache cache =
              b.cache(
                  encoding(encoding),
                  Values.normal(6 * page, SMALL.entry(), 17),
                  page,
                  Tolerance.ofRow(encoding.equals("F32") ? 1e-6 : 1e-2));
          Tensor out =
              b.output("out", tokens, SMALL.heads() * SMALL.kvLora(), absolute(4 * epsilon));
          return ops -> {
            ops.appendLatent(drafted, weight, 1e-6f, angles, cache, first);
            ops.appendLatent(kv, weight, 1e-6f, angles, cache, second);
            ops.mlaDecode(q, cache, SMALL, second, out);
          };
        });
  }

  private static Steps.Step twoSequences(int[] first, int[] second, int[][] pages) {
    int[] position = IntStream.concat(IntStream.of(first), IntStream.of(second)).toArray();
    int[] sequence =
        IntStream.range(0, position.length).map(t -> t < first.length ? 0 : 1).toArray();
    return new Steps.Step(position, sequence, visible(position, sequence), pages);
  }

  private static int[] visible(int[] position, int[] sequence) {
    return IntStream.range(0, position.length)
        .map(t -> sequence[t] < 0 ? 0 : position[t] + 1)
        .toArray();
  }

  private static boolean fits(MlaShape shape, String encoding) {
    return shape.entry() % encoding(encoding).blockElements() == 0;
  }

  private LatentCase paged(
      MlaShape shape,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    CachedEntries e = entries(shape.entry(), encoding, page, tokens, first, second);
    return new LatentCase(
        rig.arena(), shape, e.encoding(), e.steps(), e.first(), e.second(), e.pool());
  }

  private void both(LatentCase c) {
    decode(c, 2e-5);
    bothForms(c, "F32", 3e-5);
  }

  private void decode(LatentCase c, double epsilon) {
    int tokens = c.steps().tokens();
    Values query = Values.normal(tokens, c.shape().heads() * c.shape().entry(), 101);
    Values wanted = c.naiveAbsorbed(query);
    rig.compare(
        b -> {
          Tensor q = b.input("q", query);
          StepBatch batch = b.step(c.steps());
          KvCache cache = c.cache(b);
          Tensor out = b.output("out", tokens, wanted.cols(), near(wanted, absolute(4 * epsilon)));
          return ops -> ops.mlaDecode(q, cache, c.shape(), batch, out);
        });
  }

  private void bothForms(LatentCase c, String weights, double epsilon) {
    int tokens = c.steps().tokens();
    Encoding encoding = encoding(weights);
    Values query = Values.normal(tokens, c.shape().heads() * c.shape().query(), 103);
    HostTensor keyUp = c.keyUp(encoding);
    HostTensor valueUp = c.valueUp(encoding);
    Values wanted = c.naiveExpanded(query, keyUp, valueUp);
    rig.compare(
        b -> {
          Tensor q = b.input("q", query);
          Tensor k = b.weight(keyUp);
          Tensor v = b.weight(valueUp);
          StepBatch batch = b.step(c.steps());
          KvCache cache = c.cache(b);
          double allowed = Tolerance.withHalves(epsilon, weights, tokens);
          Tolerance tolerance = near(wanted, absolute(allowed));
          Tensor prefill = b.output("prefill", tokens, wanted.cols(), tolerance);
          Tensor absorbed = b.output("absorbed", tokens, wanted.cols(), tolerance);
          return ops -> {
            ops.mlaPrefill(q, cache, k, v, c.shape(), batch, prefill);
            ops.mlaAbsorbed(q, cache, k, v, c.shape(), batch, absorbed);
          };
        });
  }
}
