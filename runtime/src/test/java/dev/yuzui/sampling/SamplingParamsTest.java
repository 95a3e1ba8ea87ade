package dev.yuzui.sampling;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.DoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What can be asked for, to the last number, and what cannot. */
class SamplingParamsTest {
  private static final SamplingParams P = SamplingParams.GREEDY;
  private static final double MORE_THAN_A_MILLION = 1e6 + 1;
  private static final double NOT_A_NUMBER = Double.NaN;

  private static Arguments bounds(
      String name, DoubleFunction<Object> made, double[] good, double[] bad) {
    return Arguments.of(name, made, good, bad);
  }

  private static double[] of(double... values) {
    return values;
  }

  private static SamplingParams.Dry dry(
      double multiplier, double base, double allowedLength, double lastN) {
    return new SamplingParams.Dry(multiplier, base, (int) allowedLength, (int) lastN, Set.of());
  }

  static Stream<Arguments> bounds() {
    double tiny = Double.MIN_VALUE;
    return Stream.of(
        bounds(
            "SamplingParams.temperature",
            P::withTemperature,
            of(0, tiny, 1e6),
            of(-tiny, MORE_THAN_A_MILLION, NOT_A_NUMBER)),
        bounds("SamplingParams.topK", k -> P.withTopK((int) k), of(0, 1), of(-1)),
        bounds("SamplingParams.topP", P::withTopP, of(tiny, 1), of(0, 1.001, NOT_A_NUMBER)),
        bounds("SamplingParams.minP", P::withMinP, of(0, 1), of(-tiny, 1.001, NOT_A_NUMBER)),
        bounds("SamplingParams.typicalP", P::withTypicalP, of(tiny, 1), of(0, 1.001, NOT_A_NUMBER)),
        bounds(
            "Penalties.repeat",
            p -> P.withPenalties(p, 64, 0, 0),
            of(tiny, 1e6),
            of(0, MORE_THAN_A_MILLION, NOT_A_NUMBER)),
        bounds("Penalties.lastN", n -> P.withPenalties(1, (int) n, 0, 0), of(-1, 0, 1), of(-2)),
        bounds(
            "Penalties.presence",
            p -> P.withPenalties(1, 64, p, 0),
            of(-1e6, 1e6),
            of(-MORE_THAN_A_MILLION, MORE_THAN_A_MILLION, NOT_A_NUMBER)),
        bounds(
            "Penalties.frequency",
            p -> P.withPenalties(1, 64, 0, p),
            of(-1e6, 1e6),
            of(-MORE_THAN_A_MILLION, MORE_THAN_A_MILLION, NOT_A_NUMBER)),
        bounds("SamplingParams.seed", s -> P.withSeed((long) s), of(-1, 0), of(-2)),
        bounds(
            "SamplingParams.logitBias", id -> P.withLogitBias(Map.of((int) id, 1f)), of(0), of(-1)),
        bounds(
            "SamplingParams.logitBias",
            bias -> P.withLogitBias(Map.of(1, (float) bias)),
            of(-1e30, Float.NEGATIVE_INFINITY, Float.MAX_VALUE),
            of(Float.POSITIVE_INFINITY, NOT_A_NUMBER)),
        bounds("Dry.multiplier", m -> dry(m, 2, 2, -1), of(0, 999_999), of(-tiny, 1e6)),
        bounds("Dry.base", b -> dry(1, b, 2, -1), of(1, 999_999), of(0.999, 1e6)),
        bounds("Dry.allowedLength", n -> dry(1, 2, n, -1), of(1), of(0)),
        bounds("Dry.lastN", n -> dry(1, 2, 2, n), of(-1, 0), of(-2)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("bounds")
  void whatIsAllowedEndsWhereItSays(
      String name, DoubleFunction<Object> made, double[] good, double[] bad) {
    for (double value : good) {
      assertDoesNotThrow(() -> made.apply(value), name + " " + value);
    }
    for (double value : bad) {
      var e = assertThrows(IllegalArgumentException.class, () -> made.apply(value), "" + value);
      assertTrue(e.getMessage().startsWith(name + ": expected "), e.getMessage());
    }
  }

  @Test
  void eachWithChangesItsOwnPart() {
    SamplingParams all =
        P.withTemperature(0.5)
            .withTopK(7)
            .withTopP(0.25)
            .withMinP(0.125)
            .withTypicalP(0.75)
            .withPenalties(1.5, 32, 2, 3)
            .withSeed(9)
            .withLogitBias(Map.of(3, -1f));
    assertEquals(0.5, all.temperature());
    assertEquals(7, all.topK());
    assertEquals(0.25, all.topP());
    assertEquals(0.125, all.minP());
    assertEquals(0.75, all.typicalP());
    assertEquals(1.5, all.penalties().repeat());
    assertEquals(32, all.penalties().lastN());
    assertEquals(2, all.penalties().presence());
    assertEquals(3, all.penalties().frequency());
    assertEquals(OptionalLong.of(9), all.seed());
    assertEquals(Map.of(3, -1f), all.logitBias());
  }

  @Test
  void aBagOfMoreKindsOfTokensThanItBeganWithCountsThemAll() {
    TokenCounts counts = new TokenCounts(1000);
    for (int id = 0; id < 300; id++) {
      counts.add(id);
      counts.add(id % 7);
    }
    counts.add(1000); // beyond the vocabulary
    assertEquals(300, counts.size());
    assertEquals(1 + 43, counts.count(0));
    for (int id = 299; id >= 7; id--) {
      counts.remove(id);
    }
    assertEquals(7, counts.size());
  }
}
