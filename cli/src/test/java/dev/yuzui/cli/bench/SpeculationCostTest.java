package dev.yuzui.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The arithmetic of what guessing is worth. */
class SpeculationCostTest {
  @Test
  void tokensOfAStepOverItsTime() {
    assertEquals(1.79 / 1.55, SpeculationRow.gain(0.79, 2, 2.6, 0.5), 1e-12);
  }

  @Test
  void nothingAcceptedCostsTheCheckAndTheDraft() {
    assertEquals(1 / 1.75, SpeculationRow.gain(0, 4, 6, 1), 1e-12);
  }

  @Test
  void tokensThatPickApartShareSomeExperts() {
    MemoryBound model = new MemoryBound(100, 10, 1, 4, 2, 0, 30);
    assertEquals(2, model.touched(1), 1e-12);
    assertEquals(3, model.touched(2), 1e-12);
    assertEquals(120, model.step(1, 0), 1e-12);
    assertEquals(130, model.step(2, 0), 1e-12);
    // drafts of one and of two appended tokens: 50 and 60 bytes
    assertEquals(1.5 * 120 / (130 + 55), model.gain(0.5, 0), 1e-12);
  }

  @Test
  void contextCostsOnceAStep() {
    MemoryBound model = new MemoryBound(100, 10, 1, 4, 2, 0.5, 30);
    assertEquals(10, model.step(2, 20) - model.step(2, 0), 1e-12);
    assertTrue(model.gain(0.5, 1000) > model.gain(0.5, 0));
  }

  @Test
  void deepSeekV3HasThirtySevenBillionActiveParameters() {
    assertEquals(36.6e9, MemoryBound.V3.step(1, 0), 0.1e9);
    assertEquals(15.75, MemoryBound.V3.touched(2), 1e-12);
  }
}
