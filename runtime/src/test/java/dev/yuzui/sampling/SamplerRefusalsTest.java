package dev.yuzui.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.sampling.SamplingParams.Dry;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What cannot be drawn from, and parameters that make no sense. */
class SamplerRefusalsTest {
  private static final float NO = Float.NEGATIVE_INFINITY;

  /** Everything off: draws from the plain softmax. */
  private static final SamplingParams PLAIN =
      SamplingParams.DEFAULT.withTemperature(1).withTopK(0).withTopP(1).withMinP(0).withSeed(42);

  @Test
  void aRowOfAnotherLengthIsRefused() {
    Sampler sampler = new Sampler(PLAIN, 3, new int[0]);
    for (float[] row : new float[][] {new float[2], new float[4]}) {
      String message = "logits: expected 3 numbers, found " + row.length;
      assertEquals(
          message,
          assertThrows(IllegalArgumentException.class, () -> sampler.sample(row)).getMessage());
      assertEquals(
          message,
          assertThrows(
                  IllegalArgumentException.class, () -> sampler.sample(MemorySegment.ofArray(row)))
              .getMessage());
    }
  }

  @Test
  void tooFewCandidatesAreRefused() {
    Sampler sampler = new Sampler(PLAIN.withTopK(3), 8, new int[0]);
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> sampler.sample(new int[] {1, 2}, new float[] {9, 8}));
    assertTrue(e.getMessage().contains("3 candidates"), e.getMessage());
  }

  @Test
  void logitsNothingCanBeDrawnFromAreAnError() {
    for (SamplingParams params : new SamplingParams[] {PLAIN, SamplingParams.GREEDY}) {
      Sampler sampler = new Sampler(params, 2, new int[0]);
      assertMessage("that of token 1 is NaN", () -> sampler.sample(new float[] {0, Float.NaN}));
      assertMessage("no token is left to draw", () -> sampler.sample(new float[] {NO, NO}));
      assertMessage(
          "the largest is infinite",
          () -> sampler.sample(new float[] {0, Float.POSITIVE_INFINITY}));
    }
    Sampler best = new Sampler(PLAIN.withTopK(1), 2, new int[0]);
    int[] ids = {1, 0};
    assertMessage("no token is left to draw", () -> best.sample(ids, new float[] {NO, NO}));
    assertMessage(
        "the largest is infinite",
        () -> best.sample(ids, new float[] {Float.POSITIVE_INFINITY, 0}));
    assertMessage(
        "that of token 1 is NaN", () -> best.sample(ids, new float[] {Float.NaN, Float.NaN}));
  }

  @ParameterizedTest
  @CsvSource({
    "SamplingParams.temperature, -1",
    "SamplingParams.temperature, NaN",
    "SamplingParams.topK, -1",
    "SamplingParams.topP, 0",
    "SamplingParams.topP, 1.5",
    "SamplingParams.minP, 2",
    "SamplingParams.typicalP, 0",
    "Penalties.repeat, 0",
    "Penalties.lastN, -2",
    "Penalties.presence, NaN",
    "Penalties.frequency, Infinity",
    "Dry.multiplier, -1",
    "Dry.base, 0.5",
    "Dry.allowedLength, 0"
  })
  void aWrongValueNamesItsComponent(String component, double value) {
    Supplier<SamplingParams> params =
        () ->
            switch (component) {
              case "SamplingParams.temperature" -> PLAIN.withTemperature(value);
              case "SamplingParams.topK" -> PLAIN.withTopK((int) value);
              case "SamplingParams.topP" -> PLAIN.withTopP(value);
              case "SamplingParams.minP" -> PLAIN.withMinP(value);
              case "SamplingParams.typicalP" -> PLAIN.withTypicalP(value);
              case "Penalties.repeat" -> PLAIN.withPenalties(value, 64, 0, 0);
              case "Penalties.lastN" -> PLAIN.withPenalties(1, (int) value, 0, 0);
              case "Penalties.presence" -> PLAIN.withPenalties(1, 64, value, 0);
              case "Penalties.frequency" -> PLAIN.withPenalties(1, 64, 0, value);
              case "Dry.multiplier" -> PLAIN.withDry(new Dry(value, 1.75, 2, -1, Set.of()));
              case "Dry.base" -> PLAIN.withDry(new Dry(1, value, 2, -1, Set.of()));
              default -> PLAIN.withDry(new Dry(1, 1.75, (int) value, -1, Set.of()));
            };
    var e = assertThrows(IllegalArgumentException.class, params::get);
    assertTrue(e.getMessage().startsWith(component + ": expected "), e.getMessage());
  }

  @Test
  void aBiasBeyondTheVocabularyIsRefused() {
    SamplingParams params = PLAIN.withLogitBias(Map.of(3, 1f));
    var e = assertThrows(IllegalArgumentException.class, () -> new Sampler(params, 3, new int[0]));
    assertTrue(e.getMessage().contains("SamplingParams.logitBias"), e.getMessage());
  }

  private static void assertMessage(String part, Executable run) {
    var e = assertThrows(SamplingException.class, run);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }
}
