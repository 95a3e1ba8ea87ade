package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Messages as clients send them become what each template expects. */
class ToolCallFormTest {
  private static final Tokenizer TOKENIZER =
      Tokenizer.of(TinyVocabulary.of("deepseek-v3", List.of(), List.of("<bos>"), List.of()));

  private static final String CALL =
      "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.type }} {{ c.function.name }} ";

  /** Joins the arguments to a text, as V3.1 does. */
  private static final String JOINS = CALL + "{{ 'with ' + c.function.arguments }}";

  /** Goes through the arguments, as GLM does. */
  private static final String GOES_THROUGH =
      CALL + "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }};{% endfor %}";

  /** Makes JSON of the arguments, as the first Kimi-K2 does. */
  private static final String MAKES_JSON = CALL + "{{ c.function.arguments|tojson }}";

  /** Asks what the arguments are, as later ones do. */
  private static final String ASKS =
      CALL
          + "{{ c.function.arguments if c.function.arguments is string else"
          + " c.function.arguments|tojson }}";

  private static final String END = "{% endfor %}{% endfor %}";

  @AfterAll
  static void close() {
    TOKENIZER.close();
  }

  private static Message calls(Object content, Object arguments) {
    Map<String, Object> function = new HashMap<>();
    function.put("name", "f");
    function.put("arguments", arguments);
    return new Message(
        "assistant",
        Optional.ofNullable((String) content),
        Map.of("tool_calls", List.of(Map.of("id", "1", "function", function))));
  }

  private static String render(String template, Message... messages) {
    return ChatTemplate.jinja("test", template, TOKENIZER)
        .render(List.of(messages), RenderOptions.ANSWER)
        .text();
  }

  @Test
  void argumentsAreAStringWhereTheTemplateJoinsThem() {
    String expected = "function f with {\"x\": 1}";
    assertEquals(expected, render(JOINS + END, calls("", "{\"x\": 1}")));
    assertEquals(expected, render(JOINS + END, calls("", Map.of("x", 1))));
  }

  @Test
  void argumentsAreAMappingWhereTheTemplateGoesThroughThem() {
    assertEquals("function f x=1;", render(GOES_THROUGH + END, calls("", "{\"x\": 1}")));
    assertEquals("function f x=1;", render(GOES_THROUGH + END, calls("", Map.of("x", 1))));
    assertEquals("function f ", render(GOES_THROUGH + END, calls("", "")));
  }

  @Test
  void argumentsAreNotMadeJsonTwice() {
    assertEquals("function f {\"x\": 1}", render(MAKES_JSON + END, calls("", "{\"x\":1}")));
  }

  @Test
  void argumentsStayAsTheyAreWhereTheTemplateTakesBoth() {
    assertEquals("function f {\"x\":1}", render(ASKS + END, calls("", "{\"x\":1}")));
    assertEquals("function f {\"x\": 1}", render(ASKS + END, calls("", Map.of("x", 1))));
  }

  @ParameterizedTest
  @ValueSource(strings = {"[1]", "{\"x\":", "hello"})
  void argumentsThatAreNoObjectAreRefusedNamingTheCall(String arguments) {
    var e =
        assertThrows(TextException.class, () -> render(GOES_THROUGH + END, calls("", arguments)));
    assertTrue(
        e.getMessage().contains("the call of f: this template expects a JSON object, found "),
        e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "null"})
  void aTurnThatOnlyCallsHasTheContentThatTheTemplateLooksFor(String given) {
    String content = given.equals("null") ? null : given;
    String name =
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments }}";
    String whereNull =
        "{% for m in messages %}{% if m.content is none %}"
            + name
            + "{% endfor %}{% endif %}{% endfor %}";
    assertEquals("f{}", render(whereNull, calls(content, "{}")));
    String printed = "{% for m in messages %}{{ m.content }}" + name + END;
    assertEquals("f{}", render(printed, calls(content, "{}")));
    assertEquals("Well.f{}", render(printed, calls("Well.", "{}")));
  }

  @Test
  void fieldsThatAreNullAndEmptyListsOfCallsAreNotThere() {
    String template =
        "{% for m in messages %}{{ m.content }}{% for k in m %} {{ k }}{% endfor %};{% endfor %}";
    Map<String, Object> nulls = new HashMap<>();
    for (String field :
        List.of(
            "tool_calls",
            "function_call",
            "refusal",
            "audio",
            "annotations",
            "reasoning_content")) {
      nulls.put(field, null);
    }
    assertEquals(
        "a role content;b role content; role content;",
        render(
            template,
            new Message("assistant", Optional.of("a"), nulls),
            new Message("assistant", Optional.of("b"), Map.of("tool_calls", List.of())),
            new Message("assistant", Optional.empty(), nulls)));
  }

  @Test
  void publishedTemplatesShowACallHoweverItIsSent() {
    for (String template :
        List.of(
            "extracted-V3-original.jinja",
            "extracted-R1-saved.jinja",
            "deepseek-ai-DeepSeek-R1-Distill.original-2025-05.jinja",
            "deepseek-ai-DeepSeek-V3.1.original-2025-09.jinja",
            "deepseek-ai-DeepSeek-V3.1.jinja",
            "deepseek-ai-DeepSeek-V3.2.jinja",
            "llama-cpp-deepseek-r1.jinja",
            "GLM-4.7-Flash.jinja",
            "Kimi-K2-Instruct.jinja",
            "moonshotai-Kimi-K2.jinja",
            "GigaChat3.1-10B-A1.8B.jinja")) {
      showsACallHoweverItIsSent(template);
    }
  }

  private static void showsACallHoweverItIsSent(String template) {
    ChatTemplate chat =
        ChatTemplate.jinja(template, Shared.text("templates/" + template), TOKENIZER);
    List<String> rendered = new ArrayList<>();
    for (String content : new String[] {null, ""}) {
      for (Object arguments : List.of("{\"city\": \"都江堰\"}", Map.of("city", "都江堰"))) {
        rendered.add(
            chat.render(
                    List.of(
                        Message.user("hi"),
                        calls(content, arguments),
                        new Message("tool", Optional.of("42"), Map.of("tool_call_id", "1"))),
                    RenderOptions.ANSWER)
                .text());
      }
    }
    assertEquals(1, rendered.stream().distinct().count(), () -> template + rendered);
    String text = rendered.getFirst();
    assertTrue(text.contains("city") && text.contains("都江堰") && text.contains("42"), text);
    assertFalse(text.contains("None") || text.contains("\\\"city") || text.contains("'city"), text);
  }

  /** With and without what OpenAI's clients add to an answer. */
  @Test
  void publishedTemplatesTakeNoNoticeOfNulls() {
    for (String template :
        List.of(
            "extracted-V3-original.jinja",
            "extracted-R1-saved.jinja",
            "deepseek-ai-DeepSeek-V3.1.original-2025-09.jinja",
            "extracted-V2-api-tokenizer.jinja",
            "GLM-4.7-Flash.jinja",
            "Kimi-K2-Instruct.jinja")) {
      takesNoNoticeOfNulls(template);
    }
  }

  private static void takesNoNoticeOfNulls(String template) {
    ChatTemplate chat =
        ChatTemplate.jinja(template, Shared.text("templates/" + template), TOKENIZER);
    Map<String, Object> nulls = new HashMap<>();
    nulls.put("tool_calls", null);
    nulls.put("refusal", null);
    List<String> rendered = new ArrayList<>();
    for (Map<String, Object> more :
        List.of(Map.<String, Object>of(), nulls, Map.<String, Object>of("tool_calls", List.of()))) {
      rendered.add(
          chat.render(
                  List.of(
                      Message.user("hi"),
                      new Message("assistant", Optional.of("hello"), more),
                      Message.user("hi")),
                  RenderOptions.ANSWER)
              .text());
    }
    assertTrue(rendered.getFirst().contains("hello"));
    assertEquals(1, rendered.stream().distinct().count(), () -> template + rendered);
  }
}
