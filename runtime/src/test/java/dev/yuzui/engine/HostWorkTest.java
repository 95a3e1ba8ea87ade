package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.engine.plan.IdleDevice;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.weights.Checkpoints;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the engine's thread does in a step besides the device's work, on one that does none. The
 * first rounds run before all is compiled.
 */
@Timeout(600)
class HostWorkTest {
  private static final Path DEMO =
      Path.of(System.getProperty("yuzui.root")).resolve("seeds/demo.gguf");

  private static final int PROMPT = 2;
  private static final int TOKENS = 200;
  private static final int ROUNDS = 60;

  /** Processor time of a step. */
  private static final double MICROS = 10;

  private static final double MICROS_A_SEQUENCE = 0.5;

  /** Where others use the same cores and caches. */
  private static final double LOADED = 2;

  @ParameterizedTest
  @ValueSource(ints = {1024, 64})
  void aStepTakesTenMicrosecondsAndHalfOfOneASequence(int sequences) {
    RuntimeOptions options =
        RuntimeOptions.of(DEMO)
            .withContextLength(PROMPT + TOKENS)
            .withMaxSequences(sequences)
            .withBatchTokens(Math.max(PROMPT * sequences, 512));
    Device idle = new Device("idle", new IdleDevice(), Optional.empty());
    double most = MICROS + MICROS_A_SEQUENCE * sequences;
    List<Double> rounds = new ArrayList<>();
    try (Engine engine =
        Engine.open(Checkpoints.open(DEMO), List.of(idle), options, LoadProgress.none())) {
      engine.tokenizer();
      do {
        rounds.add(microsOfAStep(engine, sequences));
      } while (rounds.size() < ROUNDS && rounds.getLast() > most);
    }
    assertTrue(
        rounds.getLast() <= LOADED * most, () -> "expected at most " + most + ", found " + rounds);
  }

  private static double microsOfAStep(Engine engine, int sequences) {
    EngineMetrics before = engine.metrics();
    long start = processorTime();
    List<Generation> all = new ArrayList<>();
    try (var _ = engine.shared().hold()) { // all begin together
      for (int i = 0; i < sequences; i++) {
        int first = i;
        int[] prompt = IntStream.range(0, PROMPT).map(j -> 100 + (7 * j + first) % 1000).toArray();
        all.add(
            engine.generate(
                GenerateRequest.of(prompt)
                    .withSampling(SamplingParams.GREEDY)
                    .withMaxTokens(TOKENS)
                    .withIgnoreEos(true)));
      }
    }
    for (Generation generation : all) {
      assertEquals(TOKENS, generation.await().tokens().size());
    }
    long took = processorTime() - start;
    long steps = engine.metrics().steps() - before.steps();
    assertTrue(steps < 1.2 * TOKENS, steps + " steps");
    return took * 1e-3 / steps;
  }

  /** Of the engine's thread, which is not there before its first request. */
  private static long processorTime() {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    return Arrays.stream(threads.getThreadInfo(threads.getAllThreadIds()))
        .filter(info -> info != null && info.getThreadName().equals("yuzui-engine"))
        .mapToLong(info -> threads.getThreadCpuTime(info.getThreadId()))
        .sum();
  }
}
