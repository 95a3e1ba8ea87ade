package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A model whose logits are not numbers says so, whoever looks for the best of them. */
class OverflowTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");

  static List<SamplingParams> params() {
    return List.of(
        SamplingParams.GREEDY, SamplingParams.DEFAULT, SamplingParams.DEFAULT.withTopK(0));
  }

  @ParameterizedTest
  @MethodSource("params")
  void aRowThatIsNotANumberIsAnError(SamplingParams params) {
    try (Arena arena = Arena.ofConfined();
        Engine engine =
            Engine.open(
                overflowing(arena),
                List.of(Device.of(new ReferenceProvider())),
                RuntimeOptions.of(GOLDEN).withContextLength(64),
                LoadProgress.none())) {
      var request = GenerateRequest.of(256, 5).withSampling(params).withMaxTokens(3);
      var e = assertThrows(EngineException.class, () -> engine.generate(request).await());
      assertTrue(e.getMessage().contains("that of token 0 is NaN"), e.getMessage());
      assertInstanceOf(SamplingException.class, e.getCause());
    }
  }

  /** The golden model with a final norm of NaN. */
  private static Checkpoint overflowing(Arena arena) {
    Checkpoint real = Checkpoints.open(GOLDEN);
    HostTensor norm = real.tensor(Part.FINAL_NORM, 0);
    float[] nan = new float[(int) norm.cols()];
    Arrays.fill(nan, Float.NaN);
    MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, nan);
    HostTensor broken = HostTensor.of(norm.name(), norm.encoding(), 1, norm.cols(), data);
    return (Checkpoint)
        Proxy.newProxyInstance(
            Checkpoint.class.getClassLoader(),
            new Class<?>[] {Checkpoint.class},
            (proxy, method, args) ->
                method.getName().equals("tensor") && args[0] == Part.FINAL_NORM
                    ? broken
                    : method.invoke(real, args));
  }
}
