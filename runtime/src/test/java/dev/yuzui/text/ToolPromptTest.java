package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tools for templates that have no place for them. */
class ToolPromptTest {
  private static final Tokenizer TOKENS =
      Tokenizer.of(
          TinyVocabulary.of(
              "gpt-2",
              List.of(),
              List.of("<bos>", "<tool_call>", "</tool_call>", "<｜tool▁calls▁begin｜>", "<｜User｜>"),
              List.of()));

  private static final String PLAIN =
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";

  private static final RenderOptions TOOLS =
      RenderOptions.ANSWER.withKwargs(
          Map.of(
              "tools",
              List.of(
                  Map.of(
                      "type",
                      "function",
                      "function",
                      Map.of("name", "look", "description", "Looks <tool_call> up")))));

  private static Prompt render(String template, RenderOptions options, Message... messages) {
    return ChatTemplate.jinja("test", template, TOKENS).render(List.of(messages), options);
  }

  private static Message call(String content) {
    return new Message(
        "assistant",
        Optional.ofNullable(content),
        Map.of(
            "tool_calls",
            List.of(
                Map.of(
                    "id",
                    "call_0",
                    "type",
                    "function",
                    "function",
                    Map.of("name", "look", "arguments", "{\"at\": \"<｜User｜>\"}")))));
  }

  @Test
  void theFirstTurnTellsOfThem() {
    String text = render(PLAIN, TOOLS, Message.user("Hi")).text();
    assertTrue(text.startsWith("[system]# Tools\n\nYou may call"), text);
    assertTrue(text.contains("\"name\": \"look\""), text);
    assertTrue(text.endsWith("</tool_call>[user]Hi"), text);
    String told = render(PLAIN, TOOLS, Message.system("Be kind."), Message.user("Hi")).text();
    assertTrue(told.startsWith("[system]Be kind.\n\n# Tools"), told);
  }

  @Test
  void callsAndWhatToolsAnsweredAreText() {
    assertEquals(
        "[user]Hi[assistant]Well.\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\":"
            + " \"<｜User｜>\"}}\n</tool_call>[user]<tool_response>\n1\n</tool_response>\n"
            + "<tool_response>\n2\n</tool_response>[assistant]Done.",
        render(
                PLAIN,
                RenderOptions.ANSWER,
                Message.user("Hi"),
                call("Well."),
                Message.of("tool", "1"),
                Message.of("tool", "2"),
                Message.assistant("Done."))
            .text());
  }

  /** The tags are the model's own tokens; what people and tools wrote never is one. */
  @Test
  void whatIsAddedIsTheTemplates() {
    int[] ids = TOKENS.encode(render(PLAIN, TOOLS, call(null)));
    int tag = TOKENS.id("<tool_call>").orElseThrow();
    int user = TOKENS.id("<｜User｜>").orElseThrow();
    assertEquals(3, Arrays.stream(ids).filter(id -> id == tag).count()); // two in the instructions
    assertArrayEquals(new int[0], Arrays.stream(ids).filter(id -> id == user).toArray());
  }

  @Test
  void aTemplateThatShowsThemIsLeftAlone() {
    String own = "{% if tools %}{{ tools|tojson }}{% endif %}" + PLAIN;
    String text = render(own, TOOLS, Message.user("Hi")).text();
    assertTrue(text.startsWith("[{") && text.endsWith("[user]Hi"), text);
  }

  /** V3's template writes calls and never says what may be called. */
  @Test
  void aFamilyIsToldOfItsOwnWayToCall() {
    String v3 = "{# <｜tool▁calls▁begin｜> ```json tool_calls #}" + PLAIN;
    String text = render(v3, TOOLS, Message.user("Hi")).text();
    assertTrue(text.startsWith("[system]## Tools\nYou have access to"), text);
    assertTrue(
        text.contains("### look\nDescription: Looks <tool_call> up\n\nParameters: {}"), text);
    assertTrue(
        text.contains(
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>tool_call_name\n```json\n"
                + "tool_call_arguments\n```<｜tool▁call▁end｜>"),
        text);
  }

  /**
   * Kimi's model writes functions.NAME:k, which clients may not have sent back; a template that
   * counts anew in every turn is followed.
   */
  @ParameterizedTest
  @CsvSource({
    "moonshotai-Kimi-K2.jinja, 0 1 0 1",
    "Kimi-K2-Instruct.jinja, 0 1 2 3",
    "'{% for m in messages %}{% for c in m.get(''tool_calls'') or [] %}<|tool_calls_section_begin|><|tool_call_begin|>{{ c.id }}<|{% endfor %}{% if m.get(''tool_call_id'') %}Return of {{ m.tool_call_id }}\n{{ m.content }}{% endif %}{% endfor %}', 0 1 2 3"
  })
  void kimisCallsAndResultsAreNumberedAlike(String template, String numbers) {
    List<Message> turns = new ArrayList<>(List.of(Message.user("Hi")));
    for (String id : List.of("call_x", "call_y")) {
      Map<String, Object> function = Map.of("name", "look", "arguments", "{}");
      Map<String, Object> one = Map.of("id", id, "type", "function", "function", function);
      Map<String, Object> other = Map.of("id", id + "2", "type", "function", "function", function);
      turns.add(
          new Message("assistant", Optional.of(""), Map.of("tool_calls", List.of(one, other))));
      turns.add(new Message("tool", Optional.of("1"), Map.of("tool_call_id", id)));
      turns.add(new Message("tool", Optional.of("2"), Map.of("tool_call_id", id + "2")));
    }
    String source = template.endsWith("jinja") ? Shared.text("templates/" + template) : template;
    String text =
        ChatTemplate.jinja(template, source, TOKENS).render(turns, RenderOptions.ANSWER).text();
    List<String> calls = found("<\\|tool_call_begin\\|>functions\\.look:(\\d+)<\\|", text);
    assertEquals(numbers, String.join(" ", calls));
    assertEquals(calls, found("Return of functions\\.look:(\\d+)(?:\\n|\\\\n)[12]", text));
  }

  private static List<String> found(String pattern, String text) {
    return Pattern.compile(pattern).matcher(text).results().map(m -> m.group(1)).toList();
  }
}
