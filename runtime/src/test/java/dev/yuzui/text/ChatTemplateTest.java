package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
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
      // the others have no place for them, and V3's never closes a single call
      boolean tools =
          kind.contains("tool") && !name.equals("deepseek-v3.1") && !name.equals("deepseek-r1");
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

  /** DeepSeek's own four tests are among them. */
  @Test
  void v4AsItsEncodingHasIt() {
    ChatTemplate chat = ChatTemplate.builtIn("deepseek-v4", Shared.tokenizer("deepseek-v3/"));
    Map<String, Executable> cases = new TreeMap<>();
    for (JsonNode c : Shared.json("templates/encoding-vectors-v32-v4.json").get("cases")) {
      if (c.get("family").asText().equals("V4")) {
        String mode = c.get("thinking_mode").asText();
        Map<String, Object> kwargs = new HashMap<>(Map.of("thinking", mode.equals("thinking")));
        Optional.ofNullable(c.get("reasoning_effort"))
            .ifPresent(effort -> kwargs.put("reasoning_effort", effort.asText()));
        RenderOptions options = RenderOptions.ANSWER.withKwargs(kwargs);
        cases.put(
            c.get("case").asText() + ", " + kwargs,
            () ->
                assertEquals(
                    c.get("text").asText(), chat.render(Vectors.messages(c), options).text()));
      }
    }
    assertEquals(24, cases.size());
    assertAll(cases.values());
  }

  private static final List<Message> EARLIER =
      List.of(
          Message.user("Hi"),
          new Message(
              "assistant", Optional.of("Hello!"), Map.of("reasoning_content", "A greeting.")),
          Message.user("Well?"));

  private static String v4(List<Message> messages, Map<String, Object> kwargs) {
    return ChatTemplate.builtIn("deepseek-v4", TINY)
        .render(messages, RenderOptions.ANSWER.withKwargs(kwargs))
        .text();
  }

  @Test
  void v4ShowsWhatWasThoughtWhereItIsAskedTo() {
    String dropped = "<｜User｜>Hi<｜Assistant｜></think>Hello!<｜end▁of▁sentence｜>";
    String kept = "<｜User｜>Hi<｜Assistant｜><think>A greeting.</think>Hello!<｜end▁of▁sentence｜>";
    assertTrue(v4(EARLIER, Map.of("thinking", true)).contains(dropped));
    assertTrue(v4(EARLIER, Map.of("thinking", true, "drop_thinking", false)).contains(kept));
    Map<String, Object> tool = Map.of("type", "function", "function", Map.of("name", "now"));
    String told = v4(EARLIER, Map.of("thinking", true, "tools", List.of(tool)));
    assertTrue(told.contains(kept), told);
    assertTrue(
        told.startsWith("<｜begin▁of▁sentence｜>\n\n## Tools\n\nYou have access"), "before the user");
    assertTrue(told.contains("Schemas\n\n{\"name\": \"now\"}\n\nYou MUST strictly"), told);
  }

  @Test
  void v4PutsResultsInTheOrderOfTheCalls() {
    Map<String, Object> first = Map.of("id", "a", "function", Map.of("name", "f"));
    Map<String, Object> second = Map.of("id", "b", "function", Map.of("name", "g"));
    String text =
        v4(
            List.of(
                Message.user("?"),
                Message.calls(List.of(first, second)),
                new Message("tool", Optional.of("2"), Map.of("tool_call_id", "b")),
                new Message("tool", Optional.of("1"), Map.of("tool_call_id", "a")),
                Message.user("And?")),
            Map.of());
    assertTrue(
        text.contains("<｜DSML｜invoke name=\"f\">\n\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"g\">"),
        "an empty line where a call has no arguments: " + text);
    assertTrue(
        text.endsWith(
            "<｜User｜><tool_result>1</tool_result>\n\n<tool_result>2</tool_result>\n\nAnd?"
                + "<｜Assistant｜></think>"),
        text);
  }

  @Test
  void v4sWordsForEffortAreTheReleases() {
    Map<String, Object> high = Map.of("thinking", true, "reasoning_effort", "high");
    assertTrue(v4(EARLIER, high).startsWith("<｜begin▁of▁sentence｜><｜User｜>Hi"));
    ChatTemplate later = ChatTemplate.builtIn("deepseek-v4-0731", TINY);
    String absolute = later.render(EARLIER, RenderOptions.ANSWER.withKwargs(high)).text();
    assertTrue(absolute.contains("Reasoning Effort: Absolute maximum with"), absolute);
    Map<String, Object> max = Map.of("thinking", true, "reasoning_effort", "max");
    String beyond = later.render(EARLIER, RenderOptions.ANSWER.withKwargs(max)).text();
    assertTrue(beyond.contains("Reasoning Effort: Beyond maximum"), beyond);
    assertTrue(
        !v4(EARLIER, Map.of("reasoning_effort", "max")).contains("Effort"), "it does not think");
    var e =
        assertThrows(
            TextException.class,
            () -> v4(EARLIER, Map.of("thinking", true, "reasoning_effort", "most")));
    assertTrue(e.getMessage().contains("xhigh or max, found most"), e.getMessage());
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
  void aBuiltInTemplateKnowsTheRolesThereAre() {
    var e =
        assertThrows(
            TextException.class,
            () ->
                ChatTemplate.builtIn("deepseek-v3", TINY)
                    .render(List.of(Message.of("critic", "x")), RenderOptions.ANSWER));
    assertTrue(e.getMessage().contains("found critic; use --raw"), e.getMessage());
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
      // Python trips over a turn without a text; calls that a template has no place for are text
      String text = chat.render(messages, options).text();
      assertTrue(text.contains("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {"), text);
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
