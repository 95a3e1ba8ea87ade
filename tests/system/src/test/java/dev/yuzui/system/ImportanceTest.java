package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.ImportanceCounter;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.ImportanceMatrix;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What the watched products read is what an observer of the model sees go into them. */
class ImportanceTest {
  static Stream<Arguments> cases() {
    return UnderTest.backends()
        .flatMap(
            b ->
                Stream.of("v3-f32", "v2lite-f32", "gguf-qwen2-q8", "gguf-moe-f16")
                    .map(name -> Arguments.of(Golden.named(name), b)));
  }

  private static RuntimeOptions options(Golden golden, String backend) {
    return UnderTest.on(
        backend,
        RuntimeOptions.of(golden.model())
            .withThreads(2)
            .withContextLength(128)
            .withPageTokens(8)
            .withRepack(false)
            .withCacheEncoding(Encoding.F32));
  }

  private record Key(int layer, Point point) {}

  @ParameterizedTest
  @MethodSource("cases")
  void sumsAreThoseOfTheModelsOwnActivations(Golden golden, String backend) {
    int[] tokens = Arrays.copyOf(golden.tokens(), 29); // no full bucket: some rows are padding
    RuntimeOptions options = options(golden, backend);
    Map<Key, float[]> seen = new HashMap<>();
    try (Engine engine = Engine.open(options, LoadProgress.none());
        Session session = engine.newSession()) {
      session.observe(
          tokens, (layer, point, v) -> seen.put(new Key(layer, point), v.read().clone()));
    }
    ImportanceMatrix matrix;
    try (ImportanceCounter counter =
        ImportanceCounter.open(Checkpoints.open(golden.model()), options, LoadProgress.none())) {
      counter.read(tokens, _ -> {});
      matrix = counter.matrix("text", tokens.length);
    }
    assertEquals(1, matrix.chunkCount());
    boolean latent = matrix.entries().containsKey("blk.1.attn_kv_a_mqa.weight");
    same(matrix, latent ? "attn_kv_a_mqa" : "attn_k", seen.get(new Key(1, Point.ATTN_NORM)));
    same(matrix, "attn_output", seen.get(new Key(1, Point.HEADS)));
    boolean experts = matrix.entries().containsKey("blk.1.ffn_gate_exps.weight");
    if (experts) {
      experts(matrix, seen, tokens.length);
    } else {
      same(matrix, "ffn_up", seen.get(new Key(1, Point.FFN_NORM)));
    }
    for (String part : new String[] {"attn_output", experts ? "ffn_down_exps" : "ffn_down"}) {
      assertTrue(matrix.entries().containsKey("blk.1." + part + ".weight"), part);
    }
    assertTrue(!latent || matrix.entries().get("blk.1.attn_k_b.weight").counts().length > 1);
  }

  private static void same(ImportanceMatrix matrix, String part, float[] rows) {
    ImportanceMatrix.Entry entry = matrix.entries().get("blk.1." + part + ".weight");
    int cols = entry.sums().length;
    assertEquals(rows.length / cols, entry.counts()[0], part + " counts");
    double[] sums = new double[cols];
    for (int i = 0; i < rows.length; i++) {
      sums[i % cols] += (double) rows[i] * rows[i];
    }
    for (int c = 0; c < cols; c++) {
      assertEquals(sums[c], entry.sums()[c], 1e-3 * sums[c] + 1e-6, part + " column " + c);
    }
  }

  private static void experts(ImportanceMatrix matrix, Map<Key, float[]> seen, int tokens) {
    float[] ids = seen.get(new Key(1, Point.EXPERT_IDS));
    float[] norm = seen.get(new Key(1, Point.FFN_NORM));
    ImportanceMatrix.Entry entry = matrix.entries().get("blk.1.ffn_gate_exps.weight");
    int cols = norm.length / tokens;
    int used = ids.length / tokens;
    double[] sums = new double[entry.sums().length];
    float[] counts = new float[entry.counts().length];
    for (int i = 0; i < ids.length; i++) {
      int expert = (int) ids[i];
      counts[expert]++;
      for (int c = 0; c < cols; c++) {
        double v = norm[i / used * cols + c];
        sums[expert * cols + c] += v * v;
      }
    }
    assertEquals(Arrays.toString(counts), Arrays.toString(entry.counts()));
    for (int i = 0; i < sums.length; i++) {
      assertEquals(sums[i], entry.sums()[i], 1e-3 * sums[i] + 1e-6, "number " + i);
    }
  }
}
