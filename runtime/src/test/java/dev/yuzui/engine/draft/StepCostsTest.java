package dev.yuzui.engine.draft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.StepTimes;
import org.junit.jupiter.api.Test;

class StepCostsTest {
  private final StepCosts costs = new StepCosts(64);

  @Test
  void sizesBetweenLieOnALine() {
    costs.add(2, 100);
    costs.add(6, 200);
    assertEquals(150, costs.at(4).orElseThrow(), 1e-9);
    assertEquals(200, costs.at(6).orElseThrow(), 1e-9);
  }

  @Test
  void nothingIsSaidOfSizesBeyond() {
    costs.add(2, 100);
    assertTrue(costs.at(1).isEmpty());
    assertTrue(costs.at(3).isEmpty());
    assertTrue(costs.at(64).isEmpty());
  }

  @Test
  void oneSlowStepIsForgotten() {
    costs.add(1, 1000);
    for (int i = 0; i < 50; i++) {
      costs.add(1, 100);
    }
    assertEquals(100, costs.at(1).orElseThrow(), 2);
    costs.add(1, 1_000_000);
    assertEquals(100 + 200 / 8.0, costs.at(1).orElseThrow(), 2);
  }

  @Test
  void aQuickStepCountsHalfAndASlowOneAnEighth() {
    costs.add(1, 1000);
    costs.add(1, 200);
    assertEquals(600, costs.at(1).orElseThrow(), 1e-9);
    costs.add(1, 1400);
    assertEquals(700, costs.at(1).orElseThrow(), 1e-9);
  }

  @Test
  void stepsLargerThanTheLargestAreNotKept() {
    costs.add(64, 100);
    costs.add(65, 300);
    assertEquals(100, costs.at(64).orElseThrow(), 1e-9);
    assertTrue(costs.at(65).isEmpty());
    assertTrue(costs.at(1000).isEmpty());
    assertEquals(StepTimes.Kind.NONE, costs.total(65, 70));
  }

  @Test
  void whatCameSinceIsTheDifferenceOfEachKind() {
    var earlier =
        new StepTimes(
            new StepTimes.Kind(1, 100), new StepTimes.Kind(2, 300), new StepTimes.Kind(3, 500));
    var now =
        new StepTimes(
            new StepTimes.Kind(11, 1100),
            new StepTimes.Kind(22, 3300),
            new StepTimes.Kind(33, 5500));
    assertEquals(
        new StepTimes(
            new StepTimes.Kind(10, 1000),
            new StepTimes.Kind(20, 3000),
            new StepTimes.Kind(30, 5000)),
        now.minus(earlier));
  }

  @Test
  void totalsCountEverything() {
    costs.add(1, 1000);
    costs.add(1, 3000);
    assertEquals(new StepTimes.Kind(2, 4000), costs.total(1, 1));
    assertEquals(0.002, costs.total(1, 1).milliseconds(), 1e-12);
    costs.add(3, 500);
    assertEquals(new StepTimes.Kind(3, 4500), costs.total(1, 64), "of several sizes");
  }
}
