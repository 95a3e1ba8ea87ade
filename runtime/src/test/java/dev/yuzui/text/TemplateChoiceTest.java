package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.yuzui.text.BuiltInTemplate.Traits;
import dev.yuzui.text.ModelNames.Named;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A base model is not a chat model: a built-in template is taken only where a name asks for it. */
class TemplateChoiceTest {
  private static final Traits V2 = new Traits(true, false, false, false, false, 100_002);
  private static final Traits CODER = new Traits(true, false, false, true, false, 32_022);
  private static final Traits V2_5 = new Traits(true, true, false, false, false, 100_018);
  private static final Traits V3 = new Traits(true, true, false, false, false, 128_815);
  private static final Traits R1 = new Traits(true, true, true, false, false, 128_815);
  private static final Traits V4 = new Traits(true, true, true, false, true, 128_846);
  private static final Traits KIMI = new Traits(false, false, false, false, false, 163_840);

  private static Traits traits(String vocabulary) {
    return switch (vocabulary) {
      case "v2" -> V2;
      case "coder" -> CODER;
      case "v2.5" -> V2_5;
      case "v3" -> V3;
      case "r1" -> R1;
      case "v4" -> V4;
      default -> KIMI;
    };
  }

  private static TemplateChoice choice(String vocabulary, ModelNames names) {
    return BuiltInTemplate.choose(names, () -> traits(vocabulary));
  }

  private static ModelNames called(String fileName) {
    return new ModelNames(List.of(new Named("its name", fileName)), "");
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "deepseek-coder-6.7b-instruct.Q4_K_M.gguf, coder, deepseek-coder",
    "deepseek-coder-1.3b-base, coder, none",
    "deepseek-llm-7b-chat, v2, deepseek-v2",
    "deepseek-moe-16b-base, v2, none",
    "DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf, r1, deepseek-r1",
    "DeepSeek-V3.2, r1, deepseek-v3.2",
    "DeepSeek-V3.2-Exp, r1, deepseek-v3.2",
    "DeepSeek-V3.2-Exp-Base, r1, none",
    "DeepSeek-V4-Flash, v4, deepseek-v4",
    "DeepSeek-V4-Pro, r1, deepseek-v4",
    "DeepSeek-V4-Flash-0731-UD-Q2_K_XL.gguf, v4, deepseek-v4-0731",
    "DeepSeek-V4-Flash-Base, v4, none",
    "my-chat.gguf, v4, deepseek-v4",
    "DeepSeek-V2-Lite, v2, none",
    "DeepSeek-V2-Lite.Q4_K_M.gguf, v2, none",
    "DeepSeek-V2-Lite-Chat.Q4_K_M.gguf, v2, deepseek-v2",
    "deepseek_v2_lite_chat.gguf, v2, deepseek-v2",
    "DeepSeek-V2-Chat-0628, v2, deepseek-v2",
    "DeepSeek-Coder-V2-Lite-Base, v2, none",
    "DeepSeek-Coder-V2-Lite-Instruct-Q8_0.gguf, v2, deepseek-v2",
    "DeepSeek-V2.5, v2.5, deepseek-v2.5",
    "DeepSeek-V2.5-1210-IQ4_XS.gguf, v2.5, deepseek-v2.5",
    "DeepSeek-V3, v3, deepseek-v3",
    "DeepSeek-V3.Q4_K_M.gguf, v3, deepseek-v3",
    "DeepSeekV3-0324, r1, deepseek-v3",
    "DeepSeek-V3-Base, v3, none",
    "DeepSeek-V3-Base-Q2_K-00001-of-00005.gguf, v3, none",
    "DeepSeek-V3-0324, v3, deepseek-v3",
    "DeepSeek-V3.1, r1, deepseek-v3.1",
    "DeepSeek-V3.1-Terminus-Q4_K_M.gguf, r1, deepseek-v3.1",
    "DeepSeek-V3.1-Base, r1, none",
    "DeepSeek-R1, r1, deepseek-r1",
    "DeepSeek-R1-0528-Q4_K_M.gguf, r1, deepseek-r1",
    "DeepSeek-R1-Zero, r1, deepseek-r1",
    "DeepSeek-R1T-Chimera, r1, deepseek-r1",
    "DeepSeek-TNG-R1T2-Chimera, r1, deepseek-r1",
    "Moonlight-16B-A3B, kimi, none",
    "Moonlight-16B-A3B-Instruct, kimi, none", // the built-in ones are DeepSeek's
    "Kimi-K2-Base, kimi, none",
    "Kimi-K2-Instruct, kimi, none",
    "my-V3-base-sft, v3, deepseek-v3", // trained further
    "Yuzui demo 12M, v3, none",
    "database-tales, v3, none",
    "tales-v3, v3, none", // their third version, not DeepSeek's
    "tales-r1.gguf, r1, none",
    "model.gguf, r1, none"
  })
  void theFilesNameDecides(String name, String vocabulary, String template) {
    String chosen =
        switch (choice(vocabulary, called(name))) {
          case TemplateChoice.BuiltIn(String built, String because) -> {
            assertTrue(because.startsWith("its name, " + name + ", says "), because);
            yield built;
          }
          case TemplateChoice.None _ -> "none";
          case TemplateChoice.Own own -> fail(own.line());
        };
    assertEquals(template, chosen);
  }

  @ParameterizedTest
  @CsvSource({
    "general.name, DeepSeek V3 0324, deepseek-v3",
    "general.name, DeepSeek V3 Base, none",
    "general.finetune, Instruct, deepseek-v3",
    "general.tags, '[\"deepseek\", \"conversational\"]', deepseek-v3",
    "general.tags, '[\"base_model:adapter\"]', none",
    "_name_or_path, deepseek-ai/DeepSeek-V3, deepseek-v3"
  })
  void aFileWhoseNameSaysNothingIsKnownByItsMetadata(String key, String text, String template) {
    ModelNames names =
        new ModelNames(List.of(new Named("its name", "model.gguf"), new Named(key, text)), "");
    TemplateChoice choice = choice("v3", names);
    assertEquals(
        template,
        choice instanceof TemplateChoice.BuiltIn built ? built.name() : "none",
        choice::line);
  }

  @Test
  void theWordBaseGoesBeforeAFamilyWhosePlainNameChats() {
    ModelNames names =
        new ModelNames(
            List.of(
                new Named("its name", "DeepSeek-V3.gguf"), new Named("general.finetune", "Base")),
            "");
    assertEquals("none, for general.finetune, Base, says \"base\"", choice("v3", names).line());
  }

  @Test
  void whereNothingIsSaidTheLineTellsHowToAskForOne() {
    assertEquals(
        "none, for nothing in its files says that it was trained to chat; if it was, add"
            + " --chat-template deepseek-r1",
        choice("r1", called("model.gguf")).line());
  }

  @Test
  void aDescriptionMaySayThatItIsABaseModel() {
    ModelNames names = new ModelNames(List.of(), "A small DeepSeek-V3 base model");
    var none = assertInstanceOf(TemplateChoice.None.class, choice("v3", names));
    assertEquals(Optional.empty(), none.advice());
    assertTrue(none.line().contains("says \"base\""), none.line());
  }

  @Test
  void theEmbeddedDemoBringsATemplate() {
    Path demo = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");
    try (Checkpoint checkpoint = Checkpoints.open(demo)) {
      var own = assertInstanceOf(TemplateChoice.Own.class, TemplateChoice.of(checkpoint));
      assertTrue(own.text().contains("<｜Assistant｜>"), own.text());
    }
  }
}
