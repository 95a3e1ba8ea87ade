package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.convert.Convert;
import dev.yuzui.convert.ConvertListener;
import dev.yuzui.convert.ConvertOptions;
import dev.yuzui.convert.TypeMix;
import dev.yuzui.convert.TypeOverride;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.WeightException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A converted model computes what the model did that it was made of. */
class ConvertTest {
  private static final Path DEMO = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");

  /** The constants of these are none that a GGUF can have. */
  private static final Set<String> SAID_OTHERWISE =
      Set.of("v3-f32-eps", "glm5-f32", "v2lite-f32-mscale");

  @TempDir private Path folder;

  private final List<String> remarks = new ArrayList<>();

  private Path converted(Path model, TypeMix type, String... overrides) {
    Path out = folder.resolve("converted-" + type + ".gguf");
    Convert.run(
        new ConvertOptions(
            model,
            out,
            type,
            Stream.of(overrides).map(TypeOverride::parse).toList(),
            Optional.empty(),
            OptionalLong.empty(),
            true,
            2),
        new ConvertListener() {
          @Override
          public void remark(String line) {
            remarks.add(line);
          }

          @Override
          public void progress(long done, long before, long total) {}
        });
    return out;
  }

  private static float[] logits(Path model, int[] tokens) {
    RuntimeOptions options =
        RuntimeOptions.of(model)
            .withBackend("reference")
            .withContextLength(256)
            .withPageTokens(8)
            .withCacheEncoding(Encoding.F32);
    try (Engine engine = Engine.open(options, LoadProgress.none())) {
      int vocab = engine.config().vocabSize();
      boolean mtp = engine.config().mtpLayers() > 0;
      int rows = tokens.length + (mtp ? tokens.length - 1 : 0);
      float[] all = new float[rows * vocab];
      engine.logits(tokens, (i, row) -> System.arraycopy(row, 0, all, i * vocab, vocab));
      if (mtp) {
        engine.mtpLogits(
            tokens, (i, row) -> System.arraycopy(row, 0, all, (tokens.length + i) * vocab, vocab));
      }
      return all;
    }
  }

  static Stream<Golden> goldens() {
    return Golden.all().filter(g -> !SAID_OTHERWISE.contains(g.name()));
  }

  @ParameterizedTest
  @MethodSource("goldens")
  void inF32EveryFamilyAndFormatGivesTheSameLogits(Golden golden) {
    Path converted = converted(golden.model(), TypeMix.F32);
    float[] before = logits(golden.model(), golden.tokens());
    float[] after = logits(converted, golden.tokens());
    boolean without = golden.name().contains("v4"); // whose MTP layer is in a file of its own
    // YaRN's factor is an F32 in a GGUF alone
    assertArrayEquals(
        without ? Arrays.copyOf(before, after.length) : before,
        after,
        golden.name().equals("qwen3-f32") ? 1e-5f : 0);
    assertEquals(
        without && !golden.name().startsWith("gguf") ? 1 : 0, remarks.size(), remarks::toString);
  }

  @ParameterizedTest
  @MethodSource("goldens")
  void vocabularyAndConstantsStay(Golden golden) {
    try (Checkpoint before = Checkpoints.open(golden.model());
        Checkpoint after = Checkpoints.open(converted(golden.model(), TypeMix.Q8_0))) {
      assertEquals(before.config().gate(), after.config().gate());
      assertEquals(before.config().eosTokens(), after.config().eosTokens());
      assertEquals(before.config().bosToken(), after.config().bosToken());
      assertEquals(before.config().contextLength(), after.config().contextLength());
      assertEquals(before.generationDefaults(), after.generationDefaults());
      assertEquals(
          before.vocabulary() instanceof VocabularySource.None,
          after.vocabulary() instanceof VocabularySource.None);
    }
  }

  /** Relative error of the logits of all positions; the model is Q8_0 itself. */
  @ParameterizedTest
  @CsvSource({
    "F16, 3e-4",
    "BF16, 3e-3",
    "Q8_0, 0",
    "Q6_K, 0.03",
    "Q5_K_M, 0.05",
    "Q4_K_M, 0.09",
    "Q4_0, 0.13",
    "IQ4_XS, 0.11",
    "Q3_K_M, 0.15",
    "Q2_K, 0.25",
    "MXFP4, 0.06"
  })
  void otherTypesStayNear(TypeMix type, double bound) {
    int[] tokens = {300, 361, 1022, 583, 744, 905, 466, 1227};
    double error =
        Golden.relativeError(logits(converted(DEMO, type), tokens), logits(DEMO, tokens));
    assertTrue(error <= bound, type + " is " + error + " off, expected at most " + bound);
    assertTrue(error >= bound / 4, type + " is " + error + " off, nearer than it can be");
  }

  @Test
  void float4IsNotWidened() {
    Path once = converted(DEMO, TypeMix.MXFP4);
    List<StoredTensor> float4 = ofType(once, "MXFP4");
    assertTrue(!float4.isEmpty());
    assertEquals(
        float4.stream().map(StoredTensor::name).toList(),
        ofType(converted(once, TypeMix.Q4_K_M), "MXFP4").stream().map(StoredTensor::name).toList());
  }

  private static List<StoredTensor> ofType(Path model, String type) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      return checkpoint.stored().stream().filter(t -> t.type().equals(type)).toList();
    }
  }

  @Test
  void theLastOverrideThatMatchesCounts() {
    Path made =
        converted(DEMO, TypeMix.Q4_K_M, "ffn_.*_exps=Q8_0", "blk\\.1\\..*_exps=F16", "norm=Q4_K");
    assertEquals(
        List.of(
                "blk.1.ffn_gate_exps.weight",
                "blk.1.ffn_up_exps.weight",
                "blk.1.ffn_down_exps.weight")
            .stream()
            .sorted()
            .toList(),
        ofType(made, "F16").stream().map(StoredTensor::name).sorted().toList());
    assertTrue(
        ofType(made, "Q8_0").stream().anyMatch(t -> t.name().equals("blk.2.ffn_up_exps.weight")));
    assertTrue(
        ofType(made, "F32").stream().anyMatch(t -> t.name().equals("blk.1.attn_norm.weight")),
        "norms stay F32");
  }

  @Test
  void theOldLayoutOfLatentAttentionBecomesTheNew() {
    Path old = Golden.named("gguf-v3-f16-old").model();
    try (Checkpoint made = Checkpoints.open(converted(old, TypeMix.F16))) {
      List<String> names = made.stored().stream().map(StoredTensor::name).toList();
      assertTrue(names.contains("blk.0.attn_k_b.weight"), names.toString());
      assertTrue(names.stream().noneMatch(n -> n.contains("attn_kv_b")), names.toString());
      assertEquals("1", made.metadata().get("deepseek2.attention.head_count_kv"));
    }
  }

  @Test
  void whatAGgufCannotSayIsSaid() {
    converted(Golden.named("v3-f32-eps").model(), TypeMix.F32);
    assertTrue(remarks.getFirst().contains("eps"), remarks.toString());
    WeightException e =
        assertThrows(
            WeightException.class,
            () -> converted(Golden.named("v2lite-f32-mscale").model(), TypeMix.F32));
    assertTrue(e.getMessage().contains("rope_scaling.mscale"), e.getMessage());
  }
}
