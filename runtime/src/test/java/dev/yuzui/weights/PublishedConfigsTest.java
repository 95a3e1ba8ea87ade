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
      nvidia--DeepSeek-V3.1-NVFP4,                              61, 1, 576, 0.135234, 671.03, 37.55, 8, 4, 256, 8
      moonshotai--Moonlight-16B-A3B-Instruct,       27, 0, 576, 0.072169, 15.96, 2.91, 1, 1, 64, 6
      moonshotai--Kimi-K2-Instruct,                             61, 0, 576, 0.130861, 1026.41, 32.86, 1, 1, 384, 8
      zai-org--GLM-4.7-Flash,                         47, 1, 576, 0.062500, 29.94, 3.90, 1, 1, 64, 4
      """;

  private static final String REFUSED =
      """
      file, key, says
      deepseek-ai--DeepSeek-V3.2,                        model_type, DeepSeek-V3.2
      deepseek-ai--DeepSeek-V4-Flash,                    model_type, DeepSeek-V4
      deepseek-ai--DeepSeek-V4-Pro,                      model_type, DeepSeek-V4
      deepseek-ai--deepseek-moe-16b,         model_type, DeepSeek-MoE-16B
      deepseek-ai--DeepSeek-R1-Distill-Llama-8B,  model_type, dense Llama
      deepseek-ai--DeepSeek-R1-Distill-Qwen-1.5B, model_type, dense Qwen
      deepseek-ai--DeepSeek-R1-Distill-Qwen-7B,   model_type, dense Qwen
      deepseek-ai--DeepSeek-R1-Distill-Qwen-14B,  model_type, dense Qwen
      deepseek-ai--DeepSeek-R1-Distill-Qwen-32B,  model_type, dense Qwen
      deepseek-ai--DeepSeek-R1-Distill-Llama-70B,  model_type, dense Llama
      deepseek-ai--deepseek-coder-1.3b-instruct,  model_type, dense Llama
      deepseek-ai--DeepSeek-R1-0528-Qwen3-8B,  model_type, qwen3
      meta-llama--Meta-Llama-3.1-8B,                     model_type, dense Llama
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
    assertEquals(1e-6f, c.latentNormEps(), "as DeepSeek's modeling code fixes it");
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
        Stream.concat(ACCEPTED.lines().skip(1), REFUSED.lines().skip(1))
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
      assertTrue(c.yarn().isEmpty());
      assertEquals(1e-5f, c.normEps());
    }
  }

  @Test
  void glmNamesNoFirstTokenAndThreeEnds() {
    DeepseekConfig c = read("zai-org--GLM-4.7-Flash");
    assertEquals(-1, c.bosToken());
    assertEquals(List.of(154820, 154827, 154829), c.eosTokens());
    assertEquals(
        List.of(192, 64, 256), List.of(c.nopeHeadDim(), c.ropeHeadDim(), c.valueHeadDim()));
  }

  /** The model's page says 11.5 billion, which leaves out the 0.1 billion of eh_proj. */
  @Test
  void v3sMtpModuleHasElevenAndAHalfBillion() {
    assertEquals(11.61, Parameters.of(read("deepseek-ai--DeepSeek-V3")).mtp() / 1e9, 0.005);
  }
}
