package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GateRule.GroupScore;
import dev.yuzui.spi.GateRule.Scoring;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The config.json of every published model: its derived sizes, or the reason it is refused. */
class PublishedConfigsTest {
  private static final String ACCEPTED =
      """
      file, layers, mtp, entry, scale, total, active, groups, groupsUsed, experts, used
      deepseek-ai--DeepSeek-V2-Lite,                            27, 0, 576, 0.114721, 15.71, 2.66, 1, 1, 64, 6
      deepseek-ai--DeepSeek-Coder-V2-Lite-Instruct,   27, 0, 576, 0.114721, 15.71, 2.66, 1, 1, 64, 6
      deepseek-ai--DeepSeek-V2,                       60, 0, 576, 0.114721, 235.74, 21.38, 8, 3, 160, 6
      deepseek-ai--DeepSeek-V2.5,                   60, 0, 576, 0.135234, 235.74, 21.38, 8, 3, 160, 6
      deepseek-ai--DeepSeek-V3,                                 61, 1, 576, 0.135234, 671.03, 37.55, 8, 4, 256, 8
      deepseek-ai--DeepSeek-R1,                                 61, 1, 576, 0.135234, 671.03, 37.55, 8, 4, 256, 8
      deepseek-ai--DeepSeek-V3.2,                               61, 1, 576, 0.135234, 671.88, 38.40, 8, 4, 256, 8
      nvidia--DeepSeek-V3.1-NVFP4,                              61, 1, 576, 0.135234, 671.03, 37.55, 8, 4, 256, 8
      moonshotai--Moonlight-16B-A3B-Instruct,       27, 0, 576, 0.072169, 15.96, 2.91, 1, 1, 64, 6
      moonshotai--Kimi-K2-Instruct,                             61, 0, 576, 0.130861, 1026.41, 32.86, 1, 1, 384, 8
      zai-org--GLM-4.7-Flash,                         47, 1, 576, 0.062500, 29.94, 3.90, 1, 1, 64, 4
      """;

  /** With grouped-query attention; heads of 128 or 64, and no mscale. */
  private static final String GROUPED =
      """
      file, layers, entry, total, active, scaling
      deepseek-ai--deepseek-moe-16b, 28, 4096, 16.38, 2.83, None
      deepseek-ai--DeepSeek-R1-Distill-Llama-8B, 32, 2048, 8.03, 8.03, Llama3
      deepseek-ai--DeepSeek-R1-Distill-Llama-70B, 80, 2048, 70.55, 70.55, Llama3
      deepseek-ai--DeepSeek-R1-Distill-Qwen-1.5B, 28, 512, 1.78, 1.78, None
      deepseek-ai--DeepSeek-R1-Distill-Qwen-7B, 28, 1024, 7.62, 7.62, None
      deepseek-ai--DeepSeek-R1-Distill-Qwen-14B, 48, 2048, 14.77, 14.77, None
      deepseek-ai--DeepSeek-R1-Distill-Qwen-32B, 64, 2048, 32.76, 32.76, None
      deepseek-ai--DeepSeek-R1-0528-Qwen3-8B, 36, 2048, 8.19, 8.19, Yarn
      deepseek-ai--deepseek-coder-1.3b-instruct, 24, 4096, 1.35, 1.35, Linear
      meta-llama--Meta-Llama-3.1-8B, 32, 2048, 8.03, 8.03, Llama3
      """;

  /** With compressed attention; 1.06 and 1.85 billion of the active ones are embedding and head. */
  private static final String COMPRESSED =
      """
      file, layers, total, active, experts, window, four, many, topK, scale
      deepseek-ai--DeepSeek-V4-Flash, 43, 284.33, 13.80, 256, 2, 21, 20, 512, 1.5
      deepseek-ai--DeepSeek-V4-Pro, 61, 1573, 49.78, 384, 0, 30, 31, 1024, 2.5
      """;

  private static final String REFUSED =
      """
      file, key, says
      official-inference/config_16B,                     model_type, inference demo
      official-inference/config_236B,                    model_type, inference demo
      official-inference/config_671B,                    model_type, inference demo
      official-inference/config_671B_v3.2,               model_type, inference demo
      official-inference/config_v3.1,                    model_type, inference demo
      """;

  private static DeepseekConfig read(String file) {
    return Published.config(file);
  }

  @ParameterizedTest
  @CsvSource(textBlock = ACCEPTED, useHeadersInDisplayName = true)
  void isAcceptedWithItsSizes(
      String file,
      int layers,
      int mtp,
      int entry,
      double scale,
      double totalBillions,
      double activeBillions,
      int groups,
      int groupsUsed,
      int experts,
      int used) {
    DeepseekConfig c = read(file);
    assertEquals(List.of(layers, mtp, entry), List.of(c.layers(), c.mtpLayers(), c.cacheEntry()));
    assertEquals(scale, c.softmaxScale(), 5e-7);
    assertEquals(1, c.ropeFactor(), 1e-12);
    Parameters n = Parameters.of(c);
    assertEquals(totalBillions, n.total() / 1e9, 0.005);
    assertEquals(activeBillions, n.active() / 1e9, 0.005);
    GateRule g = c.gate();
    assertEquals(
        List.of(experts, used, groups, groupsUsed),
        List.of(g.experts(), g.used(), g.groups(), g.groupsUsed()));
    boolean v2 = file.contains("V2");
    assertEquals(v2 ? Scoring.SOFTMAX : Scoring.SIGMOID, g.scoring());
    assertEquals(v2 ? GroupScore.MAX : GroupScore.TOP2_SUM, g.groupScore());
    assertEquals(!v2, g.normalise());
    assertEquals(1e-6f, latent(c).normEps(), "as DeepSeek's modeling code fixes it");
  }

  @ParameterizedTest
  @CsvSource(textBlock = GROUPED, useHeadersInDisplayName = true)
  void withGroupedQueryAttentionIsAcceptedWithItsSizes(
      String file,
      int layers,
      int entry,
      double totalBillions,
      double activeBillions,
      String scaling) {
    DeepseekConfig c = read(file);
    AttentionConfig.Grouped attention = (AttentionConfig.Grouped) c.attention();
    assertEquals(List.of(layers, 0, entry), List.of(c.layers(), c.mtpLayers(), c.cacheEntry()));
    assertEquals(1 / Math.sqrt(attention.head()), c.softmaxScale(), 1e-12);
    assertEquals(1, c.ropeFactor(), 1e-12);
    assertEquals(scaling, c.ropeScaling().getClass().getSimpleName());
    assertEquals(totalBillions, Parameters.of(c).total() / 1e9, 0.005);
    assertEquals(activeBillions, Parameters.of(c).active() / 1e9, 0.005);
    assertEquals(file.contains("Qwen") && !file.contains("Qwen3"), attention.biases());
    assertEquals(file.contains("Qwen3"), attention.norms());
    assertEquals(file.contains("moe"), c.isMoe(1));
    assertEquals(false, c.isMoe(0));
  }

  @ParameterizedTest
  @CsvSource(textBlock = COMPRESSED, useHeadersInDisplayName = true)
  void withCompressedAttentionIsAcceptedWithItsSizes(
      String file,
      int layers,
      double totalBillions,
      double activeBillions,
      int experts,
      int window,
      int four,
      int many,
      int topK,
      float scale) {
    DeepseekConfig c = read(file);
    var a = (AttentionConfig.Compressed) c.attention();
    assertEquals(
        List.of(layers, 1, 512, 128), List.of(c.layers(), c.mtpLayers(), a.head(), a.window()));
    assertEquals(layers, a.ratios().size());
    assertEquals(window, a.ratios().stream().filter(r -> r == 0).count());
    assertEquals(four, a.ratios().stream().filter(r -> r == 4).count());
    assertEquals(many, a.ratios().stream().filter(r -> r == 128).count());
    assertEquals(new AttentionConfig.BlockIndexer(64, 128, topK), a.indexer());
    assertEquals(1 / Math.sqrt(512), c.softmaxScale(), 1e-12);
    assertEquals(10f, c.swigluLimit());
    assertEquals(
        new GateRule(Scoring.SQRT_SOFTPLUS, experts, 6, 1, 1, GroupScore.MAX, true, scale),
        c.gate());
    assertEquals(totalBillions, Parameters.of(c).total() / 1e9, 0.0005 * totalBillions);
    assertEquals(activeBillions, Parameters.of(c).active() / 1e9, 0.0005 * activeBillions);
  }

  /** Llama 3.1: pairs 0 to 28 stay, 35 to 63 are divided by 8. */
  @Test
  void anglesOfLlama3() {
    DeepseekConfig c = read("deepseek-ai--DeepSeek-R1-Distill-Llama-8B");
    double[] f = c.ropeFrequencies();
    double[] between = {1.207484, 1.553415, 2.026313, 2.694530, 3.684253, 5.257327};
    for (int i = 0; i < f.length; i++) {
      double by = i <= 28 ? 1 : i >= 35 ? 8 : between[i - 29];
      assertEquals(Math.pow(5e5, -i / 64.0) / by, f[i], 1e-6 * f[i], "pair " + i);
    }
  }

  @ParameterizedTest
  @CsvSource(textBlock = REFUSED, useHeadersInDisplayName = true)
  void isRefusedWithTheReason(String file, String key, String says) {
    var e = assertThrows(WeightException.class, () -> read(file));
    assertTrue(e.getMessage().contains("config.json: " + key), e.getMessage());
    assertTrue(e.getMessage().contains(says), e.getMessage());
  }

  @Test
  void everyPublishedConfigIsInOneOfTheTables() {
    Set<String> listed =
        Stream.of(ACCEPTED, GROUPED, COMPRESSED, REFUSED)
            .flatMap(table -> table.lines().skip(1))
            .map(line -> line.split(",")[0].strip())
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(new TreeSet<>(Published.configs().keySet()), listed);
  }

  /** The ramp from unscaled to fully scaled pairs: V3 from 10 to 23, Kimi-K2 from 19 to 20. */
  @ParameterizedTest
  @CsvSource({
    "deepseek-ai--DeepSeek-V3, 10, 23, 40, 10000",
    "deepseek-ai--DeepSeek-V2-Lite, 10, 23, 40, 10000",
    "moonshotai--Kimi-K2-Instruct, 19, 20, 32, 50000"
  })
  void yarnScalesTheSlowPairs(String file, int low, int high, double factor, double theta) {
    double[] f = read(file).ropeFrequencies();
    for (int i = 0; i < 32; i++) {
      double plain = Math.pow(theta, -i / 32.0);
      double scaled = plain / factor;
      if (i <= low) {
        assertEquals(plain, f[i], 1e-12, "pair " + i);
      } else if (i >= high) {
        assertEquals(scaled, f[i], 1e-12, "pair " + i);
      } else {
        double ramp = (i - low) / (double) (high - low);
        assertEquals(plain * (1 - ramp) + scaled * ramp, f[i], 1e-12, "pair " + i);
      }
    }
  }

  @Test
  void moonlightAndGlmHaveNoYarnAndACoarserEps() {
    for (String file :
        List.of("moonshotai--Moonlight-16B-A3B-Instruct", "zai-org--GLM-4.7-Flash")) {
      DeepseekConfig c = read(file);
      assertEquals(RopeScaling.NONE, c.ropeScaling());
      assertEquals(1e-5f, c.normEps());
    }
  }

  @Test
  void glmNamesNoFirstTokenAndThreeEnds() {
    DeepseekConfig c = read("zai-org--GLM-4.7-Flash");
    assertEquals(-1, c.bosToken());
    assertEquals(List.of(154820, 154827, 154829), c.eosTokens());
    assertEquals(
        List.of(192, 64, 256), List.of(latent(c).nope(), latent(c).rope(), latent(c).value()));
  }

  /** The model's page says 11.5 billion, which leaves out the 0.1 billion of eh_proj. */
  @Test
  void v3sMtpModuleHasElevenAndAHalfBillion() {
    assertEquals(11.61, Parameters.of(read("deepseek-ai--DeepSeek-V3")).mtp() / 1e9, 0.005);
  }

  private static AttentionConfig.Latent latent(DeepseekConfig c) {
    return (AttentionConfig.Latent) c.attention();
  }
}
