package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.exact;
import static dev.yuzui.kit.Tolerance.near;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Rotation, and what enters the KV cache. */
public abstract class LatentConformance extends Conformance {

  /** Rows of cos and sin, pair i turning by position·10000^(−i/pairs), times {@code factor}. */
  private HostTensor table(int positions, int rope, double factor) {
    float[] x = new float[positions * rope];
    for (int p = 0; p < positions; p++) {
      for (int i = 0; i < rope; i += 2) {
        double angle = p * Math.pow(10000, -(double) i / rope);
        x[p * rope + i] = (float) (Math.cos(angle) * factor);
        x[p * rope + i + 1] = (float) (Math.sin(angle) * factor);
      }
    }
    return Weights.of(rig.arena(), "rope", Encoding.F32, positions, rope, x);
  }

  @Test
  void ropeTurnsNeighbouringPairs() {
    // at position 1 the table turns pair 0 by a right angle and doubles pair 1
    HostTensor table =
        Weights.of(rig.arena(), "rope", Encoding.F32, 2, 4, new float[] {1, 0, 1, 0, 0, 1, 2, 0});
    Steps steps = Steps.of(4, Steps.step(2, 4, 1, 1, List.of(span(0, 2))));
    Values wanted = Values.literal(2, 4, 1, 2, 3, 4, -6, 5, 14, 16);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.literal(2, 4, 1, 2, 3, 4, 5, 6, 7, 8));
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          Tensor out = b.output("out", 2, 4, near(wanted, exact()));
          return ops -> ops.rope(x, 0, 1, angles, batch, out, 0);
        });
  }

  @ParameterizedTest
  @CsvSource({
    // T, padding, heads, R, x stride, x offset, out stride, out offset
    "1, 0, 1, 2, 2, 0, 2, 0",
    "5, 1, 3, 8, 24, 16, 40, 32",
    "17, 0, 16, 64, 192, 128, 576, 512",
    "33, 4, 1, 64, 576, 512, 64, 0",
    "2, 0, 7, 6, 9, 3, 8, 1"
  })
  void rope(
      int tokens, int padding, int heads, int r, int stride, int from, int outStride, int outFrom) {
    HostTensor table = table(400, r, 0.8);
    Steps steps = steps(tokens, padding, 16, 0, 350);
    Values x = Values.normal(tokens, heads * stride, 1);
    Tolerance tolerance = Tolerance.absolute(4e-6);
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          Tensor out =
              b.inOut(
                  "out", Values.normal(tokens, heads * outStride, 2), tokens - padding, tolerance);
          return ops -> ops.rope(in, from, heads, angles, batch, out, outFrom);
        });
    rig.compare(
        b -> {
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          Tensor inPlace = b.inOut("x", x, tokens - padding, tolerance);
          return ops -> ops.rope(inPlace, from, heads, angles, batch, inPlace, from);
        });
  }

  @Test
  void ropeAtTheEndOfALongContext() {
    HostTensor table = table(163_840, 4, 1);
    Steps steps = steps(3, 0, 4096, 163_000, 163_837);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(3, 8, 1));
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          Tensor out = b.output("out", 3, 8, Tolerance.absolute(4e-6));
          return ops -> ops.rope(x, 0, 2, angles, batch, out, 0);
        });
  }

  /** One sequence at {@code first}, in the second variant at {@code second}. */
  private static Steps steps(int tokens, int padding, int pageTokens, int first, int second) {
    int pool = (second + tokens) / pageTokens + 1;
    int real = tokens - padding;
    return Steps.of(
        pageTokens,
        Steps.step(tokens, pageTokens, pool, 1, List.of(span(first, real))),
        Steps.step(tokens, pageTokens, pool, 2, List.of(span(second, real))));
  }

  @Test
  void appendNormalisesTheLatentAndTurnsTheKey() {
    HostTensor table =
        Weights.of(rig.arena(), "rope", Encoding.F32, 2, 2, new float[] {1, 0, 0, 1});
    Steps steps = Steps.of(2, Steps.step(2, 2, 1, 1, List.of(span(0, 2))));
    // √((9 + 16)/2 + 12.5) = 5, √((144 + 25)/2 + 12.5) = √97
    double root = Math.sqrt(97);
    Values wanted = Values.literal(2, 4, 0.6 * 2, 0.8, 10, 20, 12 / root * 2, 5 / root, -40, 30);
    rig.compare(
        b -> {
          Tensor kv = b.input("kv", Values.literal(2, 4, 3, 4, 10, 20, 12, 5, 30, 40));
          Tensor norm = b.vector(rig.arena(), "norm", 2, 1);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          KvCache cache =
              b.cache(
                  Encoding.F32,
                  Values.fill(2, 4, Float.NaN),
                  2,
                  near(wanted, Tolerance.relative(1e-6)));
          return ops -> ops.appendLatent(kv, norm, 12.5f, angles, cache, batch);
        });
  }

  /** Encoding, Lkv, R, page: odd widths where no block forbids them. */
  Stream<Arguments> appendReachesEachEntryAcrossPages() {
    return Stream.concat(
        Stream.of(Arguments.of("F32", 5, 2, 1)),
        caches().stream()
            .flatMap(
                e ->
                    Stream.of(
                        e.blockElements() == 1
                            ? Arguments.of(e.label(), 5, 2, 3)
                            : Arguments.of(e.label(), 24, 8, 1),
                        Arguments.of(e.label(), 48, 16, 16),
                        Arguments.of(e.label(), 512, 64, 64))));
  }

  @ParameterizedTest
  @MethodSource
  void appendReachesEachEntryAcrossPages(String label, int kvLora, int rope, int page) {
    Encoding encoding = encoding(label);
    HostTensor table = table(200, rope, 0.7);
    HostTensor norm = rig.weight(Encoding.F32, 1, kvLora, 3);
    int longest = 140;
    int pool = 3 * Math.ceilDiv(longest, page) + 3;
    Steps.Step first =
        Steps.step(12, page, pool, 5, List.of(span(0, 5), span(61, 4), span(130, 1)));
    Steps.Step second =
        Steps.step(12, page, pool, 6, List.of(span(15, 2), span(0, 1), span(60, 9)));
    // what lay in the cache before stays, but for the appended entries
    Values before = Values.normal(pool * page, kvLora + rope, 7);
    rig.compare(
        b -> {
          Tensor kv = b.input("kv", Values.normal(12, kvLora + rope, 8, 0.3, 2));
          Tensor weight = b.weight(norm);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(Steps.of(page, first, second));
          KvCache cache =
              b.cache(encoding, before, page, Tolerance.stored(encoding, 12 * (kvLora + rope)));
          return ops -> ops.appendLatent(kv, weight, 1e-6f, angles, cache, batch);
        });
  }

  /** Encoding, heads, nope, Lkv, R, page. */
  Stream<Arguments> ropeAppendTurnsQueriesAndStoresEntries() {
    return Stream.concat(
        Stream.of(Arguments.of("F32", 3, 5, 5, 2, 1), Arguments.of("F32", 2, 0, 48, 16, 16)),
        caches().stream()
            .flatMap(
                e ->
                    Stream.of(
                        Arguments.of(e.label(), 4, 8, 48, 16, 16),
                        Arguments.of(e.label(), 16, 128, 512, 64, 64))));
  }

  /** The two halves of {@code ropeAppend} at once; drafts, a second sequence and padding. */
  @ParameterizedTest
  @MethodSource
  void ropeAppendTurnsQueriesAndStoresEntries(
      String label, int heads, int nope, int kvLora, int rope, int page) {
    Encoding encoding = encoding(label);
    HostTensor table = table(200, rope, 0.7);
    HostTensor norm = rig.weight(Encoding.F32, 1, kvLora, 3);
    int pool = 2 * Math.ceilDiv(140, page) + 2;
    Steps steps =
        Steps.of(
            page,
            Steps.step(9, page, pool, 5, List.of(span(0, 5), span(130, 3))),
            Steps.step(9, page, pool, 6, List.of(span(61, 4), span(0, 1))));
    Values before = Values.normal(pool * page, kvLora + rope, 7);
    rig.compare(
        b -> {
          // padding rows of q may hold anything: five rows are real in both variants
          Tensor q =
              b.inOut("q", Values.normal(9, heads * (nope + rope), 4), 5, Tolerance.absolute(4e-6));
          Tensor kv = b.input("kv", Values.normal(9, kvLora + rope, 8, 0.3, 2));
          Tensor weight = b.weight(norm);
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(steps);
          KvCache cache =
              b.cache(encoding, before, page, Tolerance.stored(encoding, 9 * (kvLora + rope)));
          return ops -> ops.ropeAppend(q, nope, heads, kv, weight, 1e-6f, angles, cache, batch);
        });
  }

  @Test
  void appendOfPaddingAloneWritesNothing() {
    HostTensor table = table(4, 8, 1);
    Steps.Step padding = Steps.step(3, 4, 2, 5, List.of(span(0, 0)));
    Values before = Values.normal(8, 32, 9);
    rig.compare(
        b -> {
          Tensor kv = b.input("kv", Values.fill(3, 32, Float.NaN));
          Tensor norm = b.weight(rig.weight(Encoding.F32, 1, 24, 3));
          Tensor angles = b.weight(table);
          StepBatch batch = b.step(Steps.of(4, padding));
          KvCache cache = b.cache(Encoding.F32, before, 4, near(before, exact()));
          return ops -> ops.appendLatent(kv, norm, 1e-6f, angles, cache, batch);
        });
  }

  @Test
  void appendOfTheSameEntryAgainOverwritesIt() {
    HostTensor table = table(16, 8, 1);
    Steps.Step draft = Steps.step(5, 4, 4, 5, List.of(span(3, 5)));
    Steps.Step after =
        new Steps.Step(
            Arrays.copyOf(draft.position(), 2),
            Arrays.copyOf(draft.sequence(), 2),
            Arrays.copyOf(draft.kvLength(), 2),
            draft.pages());
    rig.compare(
        b -> {
          Tensor kv = b.input("kv", Values.normal(5, 32, 8));
          Tensor again = b.input("again", Values.normal(2, 32, 9));
          Tensor norm = b.weight(rig.weight(Encoding.F32, 1, 24, 3));
          Tensor angles = b.weight(table);
          StepBatch first = b.step(Steps.of(4, draft));
          StepBatch second = b.step(Steps.of(4, after));
          KvCache cache = b.cache(Encoding.F32, Values.normal(16, 32, 1), 4, Tolerance.ofRow(1e-6));
          return ops -> {
            ops.appendLatent(kv, norm, 1e-6f, angles, cache, first);
            ops.appendLatent(again, norm, 1e-6f, angles, cache, second);
          };
        });
  }
}
