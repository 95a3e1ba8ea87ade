package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Published templates give what Python's Jinja gave, character for character. */
class ChatTemplateTest {
  private static final String VECTORS = "templates/rendered-vectors.json";

  private static final Tokenizer TINY =
      Tokenizer.of(TinyVocabulary.of("deepseek-v3", List.of(), List.of("<bos>"), List.of()));

  @AfterAll
  static void close() {
    TINY.close();
  }

  static Stream<String> templates() {
    List<String> names = new ArrayList<>();
    Shared.json(VECTORS).forEach(c -> names.add(c.get("template").asText()));
    assertTrue(names.size() >= 168, "cases: " + names.size());
    return names.stream().distinct();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("templates")
  void jinjaRendersAsPythonDoes(String template) {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/"); // its BOS and EOS are everyone's
    ChatTemplate chat =
        ChatTemplate.jinja(template, Shared.text("templates/" + template), tokenizer);
    List<Executable> cases = new ArrayList<>();
    for (JsonNode c : Shared.json(VECTORS)) {
      if (c.get("template").asText().equals(template)) {
        cases.add(() -> check(c, chat));
      }
    }
    assertAll(cases);
  }

  @ParameterizedTest
  @CsvSource({
    "deepseek-v2, extracted-V2-api-tokenizer.jinja",
    "deepseek-v3, extracted-V3-original.jinja",
    "deepseek-v2.5, extracted-V3-original.jinja", // the same format in V2's vocabulary
    "deepseek-r1, extracted-R1-saved.jinja",
    "deepseek-v3.1, deepseek-ai-DeepSeek-V3.1.original-2025-09.jinja"
  })
  void aBuiltInTemplateIsThePublishedOne(String name, String template) {
    ChatTemplate chat = ChatTemplate.builtIn(name, Shared.tokenizer("deepseek-v3/"));
    Map<String, Executable> cases = new TreeMap<>();
    for (JsonNode c : Shared.json(VECTORS)) {
      String kind = c.get("case").asText();
      boolean reasons = name.equals("deepseek-r1") || name.equals("deepseek-v3.1");
      boolean tools = kind.contains("tool");
      if (c.get("template").asText().equals(template)
          && !tools
          && (reasons || !kind.equals("think_in_history"))) {
        cases.put(kind + cases.size(), () -> check(c, chat));
      }
    }
    assertTrue(cases.size() >= 7, "cases: " + cases.keySet());
    assertAll(cases.values());
  }

  /** Both modes, with tools, their results and a form for the answer. */
  @Test
  void v32IsAskedAsDeepseeksEncodingDoes() {
    ChatTemplate chat = ChatTemplate.builtIn("deepseek-v3.2", Shared.tokenizer("deepseek-v3/"));
    Map<String, Executable> cases = new TreeMap<>();
    for (JsonNode c : Shared.json("templates/encoding-vectors-v32-v4.json").get("cases")) {
      if (c.get("family").asText().equals("V3.2")) {
        String mode = c.get("thinking_mode").asText();
        RenderOptions options = RenderOptions.ANSWER.withThinking(mode.equals("thinking"));
        cases.put(
            c.get("case").asText() + ", " + mode,
            () ->
                assertEquals(
                    c.get("text").asText(), chat.render(Vectors.messages(c), options).text()));
      }
    }
    assertEquals(18, cases.size());
    assertAll(cases.values());
  }

  @Test
  void v32KnowsToolsThatAreGivenBesideTheMessages() {
    ChatTemplate chat = ChatTemplate.builtIn("deepseek-v3.2", TINY);
    Map<String, Object> tool = Map.of("type", "function", "function", Map.of("name", "now"));
    RenderOptions options = RenderOptions.ANSWER.withKwargs(Map.of("tools", List.of(tool)));
    for (List<Message> asked :
        List.of(
            List.of(Message.user("When?")),
            List.of(Message.system("Be brief."), Message.user("When?")))) {
      String text = chat.render(asked, options).text();
      assertTrue(
          text.endsWith(
              "<functions>\n{\"name\": \"now\"}\n</functions>\n<｜User｜>When?<｜Assistant｜></think>"),
          text);
    }
    var e =
        assertThrows(
            TextException.class,
            () -> chat.render(List.of(Message.of("judge", "x")), RenderOptions.ANSWER));
    assertTrue(e.getMessage().contains("found a turn of judge"), e.getMessage());
  }

  @Test
  void aBuiltInTemplateKnowsNoTools() {
    var e =
        assertThrows(
            TextException.class,
            () ->
                ChatTemplate.builtIn("deepseek-v3", TINY)
                    .render(List.of(Message.of("tool", "x")), RenderOptions.ANSWER));
    assertTrue(e.getMessage().contains("found tool; use --raw"), e.getMessage());
  }

  @Test
  void theModelsOwnTemplateBeginsWithBos() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v2/");
    String own = Shared.huggingFace("deepseek-v2/").chatTemplate().orElseThrow();
    ChatTemplate chat = new TemplateChoice.Own("mine", own).open(tokenizer).orElseThrow();
    assertEquals("chat template of mine", chat.name());
    Prompt prompt = chat.render(List.of(Message.user("Hi")), RenderOptions.ANSWER);
    assertEquals("<｜begin▁of▁sentence｜>User: Hi\n\nAssistant:", prompt.text());
    int[] ids = tokenizer.encode(prompt);
    assertEquals(100000, ids[0]);
    assertTrue(ids[1] != 100000, "BOS twice");
  }

  @ParameterizedTest
  @CsvSource({
    "deepseek-v3, false",
    "deepseek-r1, false", // it always thinks
    "deepseek-v3.1, true"
  })
  void aTemplateThatRendersBothWaysAlikeHasNoSwitchForThinking(String name, boolean switches) {
    ChatTemplate chat = ChatTemplate.builtIn(name, TINY);
    assertEquals(switches, chat.switchesThinking());
    RenderOptions off = new RenderOptions(true, Optional.of(false), Map.of());
    if (switches) {
      assertTrue(chat.render(List.of(Message.user("x")), off).endsWith("</think>"));
    } else {
      var e = assertThrows(TextException.class, () -> chat.render(List.of(Message.user("x")), off));
      assertTrue(e.getMessage().contains("it has no switch for thinking"), e.getMessage());
    }
  }

  /** Published in DeepSeek-Coder's README and tokenizer_config.json. */
  @Test
  void coderIsInstructed() {
    ChatTemplate chat = ChatTemplate.builtIn("deepseek-coder", TINY);
    String asked = chat.render(List.of(Message.user("x")), RenderOptions.ANSWER).text();
    assertTrue(asked.contains("You are an AI programming assistant, utilizing the Deepseek Coder"));
    assertTrue(asked.endsWith("refuse to answer\n### Instruction:\nx\n### Response:\n"), asked);
    String more =
        chat.render(
                List.of(
                    Message.system("Be short."),
                    Message.user("x"),
                    Message.assistant("y"),
                    Message.user("z")),
                RenderOptions.ANSWER)
            .text();
    assertTrue(
        more.endsWith(
            """
            Be short.### Instruction:
            x
            ### Response:
            y
            <|EOT|>
            ### Instruction:
            z
            ### Response:
            """),
        more);
  }

  @Test
  void publishedTemplatesHaveTheSwitchOrNot() {
    Map<String, Boolean> switches =
        Map.of(
            "GLM-4.7-Flash.jinja", true,
            "deepseek-ai-DeepSeek-V3.1.original-2025-09.jinja", true,
            "extracted-R1-saved.jinja", false,
            "extracted-V3-original.jinja", false,
            "Kimi-K2-Instruct.jinja", false);
    switches.forEach(
        (template, expected) ->
            assertEquals(
                expected,
                ChatTemplate.jinja(template, Shared.text("templates/" + template), TINY)
                    .switchesThinking(),
                template));
  }

  @Test
  void anUnknownNameListsTheKnown() {
    var e = assertThrows(TextException.class, () -> ChatTemplate.builtIn("gpt", TINY));
    assertTrue(e.getMessage().contains("deepseek-v2, deepseek-v2.5, deepseek-v3"));
  }

  private static void check(JsonNode c, ChatTemplate chat) {
    List<Message> messages = Vectors.messages(c);
    RenderOptions options = Vectors.options(c);
    if (c.has("rendered")) {
      assertEquals(
          quotedOnce(c.get("rendered").asText()),
          chat.render(messages, options).text(),
          c.get("case").asText());
    } else {
      var e = assertThrows(TextException.class, () -> chat.render(messages, options));
      assertTrue(e.getMessage().contains("line 1: None is no text; use --raw"), e.getMessage());
    }
  }

  /** Some templates make JSON of arguments that were JSON already: those are given a mapping. */
  private static String quotedOnce(String rendered) {
    return rendered
        .replace("\"{\\\"", "{\"")
        .replace("\\\": \\\"", "\": \"")
        .replace("\\\"}\"", "\"}");
  }
}
