package dev.yuzui.engine.plan;

import static dev.yuzui.engine.plan.FarDevice.cpu;
import static dev.yuzui.engine.plan.FarDevice.gib;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.SyntheticCheckpoint;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where DeepSeek-V4 lies on machines that people have, on paper. */
class CompressedPlanTest {
  @ParameterizedTest(name = "{0} in {1}: GPUs of {2} GiB free, {3} of the processor")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          v4-flash | IQ2_XXS | 22.5                            | 120 | all that is dense  | 131072
          v4-flash | IQ2_XXS | 22.5 22.5                       | 120 | all that is dense  | 131072
          v4-flash | IQ2_XXS | 138                             | 200 | everything on far:0 | 1048576
          v4-flash | MXFP4   | 94 94                           | 200 | layers over devices | 1048576
          v4-pro   | FP8     | 138 138 138 138 138 138 138 138 | 900 | layers over devices | 1048576
          """)
  void fitChoosesWhatAPersonWould(
      String preset, String quant, String free, double host, String chosen, int context) {
    List<Device> devices =
        Stream.concat(
                gib(Stream.of(free.split(" ")).mapToDouble(Double::parseDouble).toArray()).stream(),
                Stream.of(cpu(host)))
            .toList();
    try (Checkpoint checkpoint = SyntheticCheckpoint.repeating(preset, quant, 1)) {
      MemoryPlan plan =
          MemoryPlan.of(
              checkpoint,
              devices,
              RuntimeOptions.of(checkpoint.path()).withDistribution(Distribution.ANY).withFit());
      assertTrue(plan.fits(), plan.complaint());
      assertTrue(plan.reasons().getFirst().startsWith(chosen), "" + plan.reasons());
      assertTrue(plan.contextLength() >= context, plan.contextLength() + " tokens");
    }
  }

  /** Of 128 GB that processor and graphics share. */
  @Test
  void whatFitsInOneMemoryStaysThere() {
    try (Checkpoint checkpoint = SyntheticCheckpoint.repeating("v4-flash", "IQ2_XXS", 1)) {
      MemoryPlan plan =
          MemoryPlan.of(
              checkpoint, List.of(cpu(118)), RuntimeOptions.of(checkpoint.path()).withFit());
      assertTrue(plan.fits(), plan.complaint());
      assertEquals(1_048_576, plan.contextLength());
    }
  }
}
