package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class SyntheticCheckpointTest {

  static Stream<String> quants() {
    return SyntheticCheckpoint.quants().stream();
  }

  @ParameterizedTest
  @MethodSource("quants")
  void everyPartHasItsShapeAndWeightsOfZeroMean(String quant) {
    for (String preset : List.of("tiny", "tiny-v4")) {
      everyPartHasItsShapeAndWeightsOfZeroMean(preset, quant);
    }
  }

  private static void everyPartHasItsShapeAndWeightsOfZeroMean(String preset, String quant) {
    try (var c = SyntheticCheckpoint.create(preset, quant, 1)) {
      DeepseekConfig config = c.config();
      for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
        for (Part part : LayerParts.all(config, layer)) {
          boolean experts = LayerParts.EXPERTS.contains(part);
          if (experts && !config.isMoe(layer)) {
            continue;
          }
          for (HostTensor t :
              experts ? c.experts(part, layer) : c.find(part, layer).stream().toList()) {
            PartShape shape = PartShape.of(part, layer, config);
            assertEquals(List.of(shape.rows(), shape.cols()), List.of(t.rows(), t.cols()));
            if (t.encoding().equals(Encoding.I32)) {
              assertExperts(t, config.gate().experts());
            } else if (t.rows() > 1) {
              assertNormal(t);
            }
          }
        }
        assertTrue(c.find(Part.ATTN_NORM, layer).isPresent());
      }
      assertEquals(Parameters.of(config).total(), mainElements(c));
    }
  }

  private static void assertExperts(HostTensor t, int experts) {
    for (int row = 0; row < t.rows(); row++) {
      Set<Integer> named = new HashSet<>();
      for (int k = 0; k < t.cols(); k++) {
        int expert = t.data().getAtIndex(ValueLayout.JAVA_INT, row * t.cols() + k);
        assertTrue(expert >= 0 && expert < experts && named.add(expert), "expert " + expert);
      }
    }
  }

  /** Of parameters without the scales and the MTP layers. */
  private static long mainElements(Checkpoint c) {
    return c.stored().stream()
        .filter(t -> !t.name().startsWith("blk.4.") && !t.name().contains("tid2eid"))
        .mapToLong(Checkpoint.StoredTensor::elements)
        .sum();
  }

  private static void assertNormal(HostTensor t) {
    float[] x = Dequantizer.all(t);
    double mean = 0;
    double squares = 0;
    for (float v : x) {
      mean += v / x.length;
      squares += (double) v * v / x.length;
    }
    double deviation = Math.sqrt(squares);
    double unit = deviation * Math.sqrt(t.cols());
    boolean embedding = t.name().contains("embd") || t.name().contains("embed_tokens");
    assertEquals(0, mean, 0.2 * deviation, t + " mean");
    assertTrue(embedding || unit > 0.8 && unit < 2.4, t + " deviation·√cols " + unit);
  }

  @Test
  void theSameSeedGivesTheSameWeights() {
    try (var a = SyntheticCheckpoint.create("tiny", "Q8_0", 7);
        var b = SyntheticCheckpoint.create("tiny", "Q8_0", 7);
        var other = SyntheticCheckpoint.create("tiny", "Q8_0", 8)) {
      float[] x = Dequantizer.all(a.tensor(Part.HEAD, 0));
      assertArrayEquals(x, Dequantizer.all(b.tensor(Part.HEAD, 0)));
      assertFalse(Arrays.equals(x, Dequantizer.all(other.tensor(Part.HEAD, 0))));
    }
  }

  @Test
  void largeTensorsRepeatAPoolUntilTheyAreWrittenOut() {
    try (var c = SyntheticCheckpoint.repeating("v2-lite-4l", "Q4_K_M", 1)) {
      assertTrue(c.tensor(Part.ROUTER, 1).repeatsFrom().isEmpty(), "experts would tie");
      assertTrue(c.tensor(Part.ATTN_NORM, 1).repeatsFrom().isEmpty());
      HostTensor head = c.tensor(Part.HEAD, 0);
      assertEquals(head.encoding().byteSize(102400, 2048), head.byteSize());
      assertTrue(head.data().byteSize() <= 4 << 20);
      assertEquals(1, head.data().byteSize() / head.encoding().blockBytes() % 2, "odd");
      List<HostTensor> experts = c.experts(Part.EXPERT_UP, 1);
      long pool = experts.getFirst().data().byteSize();
      for (int e = 1; e < experts.size(); e++) {
        long before = experts.get(e - 1).repeatsFrom().orElseThrow();
        assertEquals(
            (before + experts.get(e).byteSize()) % pool,
            experts.get(e).repeatsFrom().orElseThrow());
      }
      assertNotEquals(
          experts.getFirst().repeatsFrom(), c.experts(Part.EXPERT_UP, 2).getFirst().repeatsFrom());
      try (Arena arena = Arena.ofConfined()) {
        HostTensor one = experts.get(3);
        HostTensor whole = one.writtenOut(arena.allocate(one.byteSize()));
        assertTrue(whole.repeatsFrom().isEmpty());
        assertNormal(whole);
      }
    }
  }

  /** Blocks that rows of small models are too short for. */
  @Test
  void expertsOfTwoBits() {
    try (var c = SyntheticCheckpoint.repeating("v4-flash-4l", "IQ2_XXS", 1);
        Arena arena = Arena.ofConfined()) {
      for (Part part : List.of(Part.EXPERT_UP, Part.EXPERT_DOWN)) {
        HostTensor one = c.experts(part, 3).get(5);
        boolean down = part == Part.EXPERT_DOWN;
        assertEquals(down ? new Encoding.Q2_K() : new Encoding.IQ2_XXS(), one.encoding());
        assertNormal(one.writtenOut(arena.allocate(one.byteSize())));
      }
    }
  }

  /** What is published: 156.0 GB and 850.8 GB as released, 80.8 GiB in antirez's two bits. */
  @ParameterizedTest
  @CsvSource({
    "v4-flash, FP8, 156.0",
    "v4-pro, FP8, 850.8",
    "v4-flash, MXFP4, 156.2",
    "v4-flash, IQ2_XXS, 86.7"
  })
  void mixesOfV4HaveItsFilesSizes(String preset, String quant, double gigabytes) {
    DeepseekConfig c = SyntheticPreset.config(preset);
    SyntheticMix mix = SyntheticMix.of(quant);
    double bytes = 0;
    for (int layer = 0; layer < c.layers(); layer++) {
      Set<Part> parts = new HashSet<>(LayerParts.required(c, layer));
      parts.addAll(layer == 0 ? LayerParts.ofModel(c) : Set.of());
      for (Part part : parts) {
        PartShape shape = PartShape.of(part, layer, c);
        int count = LayerParts.EXPERTS.contains(part) ? c.gate().experts() : 1;
        Encoding encoding = mix.encoding(part, layer, c);
        bytes += (double) count * encoding.byteSize(shape.rows(), shape.cols());
      }
    }
    assertEquals(gigabytes, bytes / 1e9, 0.005 * gigabytes);
  }

  @Test
  void unknownNamesListTheChoices() {
    var preset =
        assertThrows(
            IllegalArgumentException.class, () -> SyntheticCheckpoint.create("v9", "F16", 1));
    for (String name : SyntheticCheckpoint.presets()) {
      assertTrue(preset.getMessage().contains(name), preset.getMessage());
    }
    var quant =
        assertThrows(
            IllegalArgumentException.class, () -> SyntheticCheckpoint.create("tiny", "Q1", 1));
    assertTrue(quant.getMessage().contains("Q4_K_M"), quant.getMessage());
  }

  /** Parameters in billions. */
  @ParameterizedTest
  @CsvSource({
    "v2-lite, 15.71",
    "v2-lite-4l, 2.25",
    "v3-4l, 15.11",
    "v3.2-4l, 15.17",
    "v4-flash, 284.33",
    "v4-flash-4l, 27.39",
    "v4-pro, 1573.00",
    "moonlight, 15.96",
    "kimi-k2-4l, 54.02",
    "r1-distill-qwen-1.5b, 1.78",
    "r1-distill-llama-70b, 70.55",
    "deepseek-moe-16b, 16.38",
    "glm-4.7-flash, 29.94"
  })
  void presetsHaveTheirModelsSize(String preset, double billions) {
    assertEquals(billions, Parameters.of(SyntheticPreset.config(preset)).total() / 1e9, 0.005);
  }

  static Stream<Arguments> mix() {
    Encoding q4 = new Encoding.Q4_K();
    Encoding q6 = new Encoding.Q6_K();
    Encoding q8 = new Encoding.Q8_0();
    return Stream.of(
        Arguments.of(Part.EMBED, 0, q4),
        Arguments.of(Part.HEAD, 0, q6),
        Arguments.of(Part.Q, 5, q4),
        Arguments.of(Part.KEY_UP, 5, q8),
        Arguments.of(Part.VALUE_UP, 5, q8),
        Arguments.of(Part.ROUTER, 5, Encoding.F32),
        Arguments.of(Part.FFN_NORM, 5, Encoding.F32),
        Arguments.of(Part.EXPERT_UP, 5, q4),
        Arguments.of(Part.SHARED_DOWN, 2, q6), // first eighth
        Arguments.of(Part.SHARED_DOWN, 3, q4),
        Arguments.of(Part.SHARED_DOWN, 5, q6), // every third
        Arguments.of(Part.SHARED_DOWN, 26, q6), // last eighth
        Arguments.of(Part.EXPERT_DOWN, 5, q8), // 1408 is no multiple of 256
        Arguments.of(Part.EXPERT_DOWN, 4, new Encoding.Q5_0()));
  }

  @ParameterizedTest
  @MethodSource("mix")
  void q4kmIsLlamaQuantizesMix(Part part, int layer, Encoding encoding) {
    DeepseekConfig c = SyntheticPreset.config("v2-lite");
    assertEquals(encoding, SyntheticMix.Q4_K_M.encoding(part, layer, c));
  }

  @Test
  void shapesOfPresetsAreTheirPublishers() {
    for (var pair :
        List.of(
            List.of("v2-lite", "deepseek-ai--DeepSeek-V2-Lite"),
            List.of("v3-4l", "deepseek-ai--DeepSeek-V3"),
            List.of("v3.2-4l", "deepseek-ai--DeepSeek-V3.2"),
            List.of("v4-flash", "deepseek-ai--DeepSeek-V4-Flash"),
            List.of("v4-flash-4l", "deepseek-ai--DeepSeek-V4-Flash"),
            List.of("v4-pro", "deepseek-ai--DeepSeek-V4-Pro"),
            List.of("moonlight", "moonshotai--Moonlight-16B-A3B-Instruct"),
            List.of("kimi-k2-4l", "moonshotai--Kimi-K2-Instruct"),
            List.of("glm-4.7-flash", "zai-org--GLM-4.7-Flash"))) {
      DeepseekConfig ours = SyntheticPreset.config(pair.get(0));
      DeepseekConfig theirs = Published.config(pair.get(1));
      for (int layer = 0; layer < ours.layers(); layer++) {
        for (Part part : LayerParts.all(theirs, layer)) {
          PartShape shape = PartShape.of(part, layer, theirs);
          assertEquals(shape, PartShape.of(part, layer, ours), pair + " " + part);
        }
      }
      assertEquals(theirs.gate(), ours.gate());
      assertEquals(theirs.firstDense(), ours.firstDense());
      assertEquals(theirs.softmaxScale(), ours.softmaxScale());
      assertArrayEquals(theirs.ropeFrequencies(), ours.ropeFrequencies());
    }
  }
}
