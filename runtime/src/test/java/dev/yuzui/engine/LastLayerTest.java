package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.WatchedProvider;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Behind the last layer's attention nothing but the rows whose logits are wanted is computed. */
class LastLayerTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final int PROMPT = 40;

  /** Rows that each weight was multiplied by, of a prompt and one token made of it. */
  private static Map<String, Integer> rows(String model) {
    Map<String, Integer> rows = new ConcurrentHashMap<>();
    var watched =
        new WatchedProvider(
            new ReferenceProvider(),
            (weight, matrix, _, _, _, _) -> {
              if (matrix == 0) {
                rows.merge(weight, 1, Integer::sum);
              }
            });
    RuntimeOptions options =
        RuntimeOptions.of(GOLDEN.resolve(model)).withContextLength(64).withBatchTokens(64);
    try (Engine engine =
        Engine.open(
            Checkpoints.open(options.model()),
            List.of(new Device("reference", watched, Optional.empty())),
            options,
            LoadProgress.none())) {
      List<Integer> prompt = IntStream.range(0, PROMPT).map(i -> 3 + i * 37 % 200).boxed().toList();
      engine
          .generate(GenerateRequest.of(prompt).withSampling(SamplingParams.GREEDY).withMaxTokens(1))
          .await();
    }
    return rows;
  }

  @ParameterizedTest
  @CsvSource({
    // keys and values are left in the cache; queries, outputs and the layer's own network are not
    // made
    "v2lite-f32, kv_a_proj_with_mqa, q_proj, shared_experts.down_proj",
    "v2-f32, kv_a_proj_with_mqa, q_a_proj, shared_experts.down_proj",
    "qwen2-f32, k_proj, q_proj, mlp.down_proj",
    "moe-f32, v_proj, o_proj, shared_experts.down_proj"
  })
  void rowsThatNobodyAsksForAreLeftBehind(
      String model, String entries, String queries, String network) {
    Map<String, Integer> rows = rows(model);
    int last =
        rows.keySet().stream()
            .filter(name -> name.startsWith("model.layers."))
            .mapToInt(name -> Integer.parseInt(name.split("\\.")[2]))
            .max()
            .orElseThrow();
    assertEquals(PROMPT, of(rows, last - 1, entries));
    assertEquals(PROMPT, of(rows, last - 1, queries));
    assertEquals(PROMPT, of(rows, last - 1, "mlp.down_proj"));
    assertEquals(PROMPT, of(rows, last, entries));
    assertEquals(1, of(rows, last, queries));
    assertEquals(1, of(rows, last, network));
    assertEquals(1, rows.get("lm_head.weight"));
  }

  private static int of(Map<String, Integer> rows, int layer, String weight) {
    return rows.entrySet().stream()
        .filter(e -> e.getKey().startsWith("model.layers." + layer + "."))
        .filter(e -> e.getKey().contains("." + weight + "."))
        .mapToInt(Map.Entry::getValue)
        .findFirst()
        .orElseThrow(
            () -> new AssertionError(weight + " of layer " + layer + ": " + rows.keySet()));
  }

  /** The MTP layer begins with the states of all. */
  @ParameterizedTest
  @CsvSource("v3-f32")
  void noneAreWhereAnMtpLayerFollows(String model) {
    Map<String, Integer> rows = rows(model);
    try (Checkpoint checkpoint = Checkpoints.open(GOLDEN.resolve(model))) {
      int last = checkpoint.config().layers() - 1;
      assertEquals(PROMPT, of(rows, last, "shared_experts.down_proj"));
    }
  }
}
