package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.kit.Bench;
import dev.yuzui.kit.Rig;
import dev.yuzui.kit.Steps;
import dev.yuzui.kit.Tolerance;
import dev.yuzui.kit.Values;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** How many launches a recorded step takes; that they give the same, to the bit, is Rig's. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class FusionTest {
  private Optional<Rig> opened = Optional.empty();

  @BeforeAll
  void open() {
    opened = Optional.of(Rig.open(new CudaProvider()));
  }

  @AfterAll
  void close() {
    opened.ifPresent(Rig::close);
  }

  private Rig rig() {
    return opened.orElseThrow();
  }

  private void takes(int launches, Function<Bench, Consumer<Ops>> step) {
    rig().compare(step);
    assertEquals(launches, ((CudaQueue) rig().queue()).recordedNodes());
  }

  @Test
  void aSumOfExpertsIsAddedAndNormalisedAtOnce() {
    takes(2, b -> sum(b, 2, 3, 512, true)); // the sort is one of them
  }

  @Test
  void theExpertsThatAreChosenAreSortedAtOnce() {
    takes(1, b -> gate(b, 3));
  }

  @Test
  void notWhereThereAreMoreRowsThanOneGateTakes() {
    takes(3, b -> gate(b, 9)); // the product, the choice, the sort
  }

  private Consumer<Ops> gate(Bench b, int tokens) {
    int experts = 8;
    GateRule rule =
        new GateRule(GateRule.Scoring.SIGMOID, experts, 2, 1, 1, GateRule.GroupScore.MAX, true, 1);
    Tensor x = b.input("x", Values.normal(tokens, 64, 3));
    Tensor w = b.weight(rig().weight(Encoding.F32, experts, 64, 4));
    StepBatch batch = b.step(Steps.plain(tokens, 0));
    Tensor ids = b.integerOutput("ids", tokens, 2);
    Tensor weights = b.output("weights", tokens, 2, Tolerance.relative(1e-4));
    Dispatch dispatch = b.dispatch(experts, tokens, 2);
    return ops -> {
      ops.gate(x, w, Optional.empty(), rule, batch, ids, weights);
      ops.permute(ids, dispatch);
    };
  }

  @Test
  void notWhereSeveralBlocksSumARowSooner() {
    takes(3, b -> sum(b, 1, 8, 7168, true));
  }

  @Test
  void notWhereTheNormIsOfOtherNumbers() {
    takes(3, b -> sum(b, 2, 3, 512, false));
  }

  /** Scratch that is given back between the two is given out again. */
  @Test
  void notWhereTheNormIsWrittenOverWhatTheSumReads() {
    takes(5, this::sumInScratch); // two are copies
  }

  private Consumer<Ops> sumInScratch(Bench b) {
    int tokens = 3;
    int used = 2;
    int cols = 512;
    Tolerance tolerance = Tolerance.relative(1e-4);
    Tensor ids = b.integers("ids", Values.literal(tokens, used, 1, 0, 0, 1, 1, 0));
    Dispatch dispatch = b.dispatch(used, tokens, used);
    Tensor y = b.input("y", Values.normal(tokens * used, cols, 5));
    Tensor weights = b.input("weights", Values.fill(tokens, used, 2));
    Tensor update = b.output("update", tokens, cols, tolerance);
    Tensor x = b.inOut("x", Values.fill(tokens, cols, 1), tolerance);
    Tensor norm = b.weight(rig().weight(Encoding.F32, 1, cols, 9));
    Tensor out = b.output("out", tokens, cols, tolerance);
    return ops -> {
      ops.permute(ids, dispatch);
      try (Scratch.Frame _ = ops.scratch().frame()) {
        Tensor here = ops.scratch().f32("here", tokens * used, cols);
        ops.copyPerHead(y, 0, cols, 1, here, 0);
        ops.combine(here, dispatch, weights, Optional.empty(), update);
      }
      try (Scratch.Frame _ = ops.scratch().frame()) {
        Tensor there = ops.scratch().f32("there", tokens, cols);
        ops.addRmsNorm(x, update, norm, 1e-6f, there);
        ops.copyPerHead(there, 0, cols, 1, out, 0);
      }
    };
  }

  private Consumer<Ops> sum(Bench b, int tokens, int used, int cols, boolean same) {
    Tolerance tolerance = Tolerance.relative(1e-4);
    Values chosen =
        Values.literal(
            tokens, used, IntStream.range(0, tokens * used).mapToDouble(i -> i % used).toArray());
    Tensor ids = b.integers("ids", chosen);
    Dispatch dispatch = b.dispatch(used, tokens, used);
    Tensor y = b.input("y", Values.fill(tokens * used, cols, 0.5f));
    Tensor weights = b.input("weights", Values.fill(tokens, used, 2));
    Tensor update = b.output("update", tokens, cols, tolerance);
    Tensor other = b.input("other", Values.fill(tokens, cols, 3));
    Tensor x = b.inOut("x", Values.fill(tokens, cols, 1), tolerance);
    Tensor norm = b.weight(rig().weight(Encoding.F32, 1, cols, 9));
    Tensor out = b.output("out", tokens, cols, tolerance);
    return ops -> {
      ops.permute(ids, dispatch);
      ops.combine(y, dispatch, weights, Optional.empty(), update);
      ops.addRmsNorm(x, same ? update : other, norm, 1e-6f, out);
    };
  }
}
