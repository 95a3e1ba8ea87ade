package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.text.OutputFormat.Opening;
import dev.yuzui.text.OutputMessage.Call;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Answers of every family, read in pieces of every size: by a vocabulary that has the marks as
 * tokens, and by one that spells them.
 */
class OutputParserTest {
  private static final List<String> MARKS =
      List.of(
          "<bos>",
          "<think>",
          "</think>",
          "<｜tool▁calls▁begin｜>",
          "<｜tool▁calls▁end｜>",
          "<｜tool▁call▁begin｜>",
          "<｜tool▁call▁end｜>",
          "<｜tool▁sep｜>",
          "<|tool_calls_section_begin|>",
          "<|tool_calls_section_end|>",
          "<|tool_call_begin|>",
          "<|tool_call_end|>",
          "<|tool_call_argument_begin|>",
          "<tool_call>",
          "</tool_call>",
          "<arg_key>",
          "</arg_key>",
          "<arg_value>",
          "</arg_value>",
          "｜DSML｜");

  private static final Tokenizer TOKENS =
      Tokenizer.of(TinyVocabulary.of("gpt-2", List.of("get_weather", " Let"), MARKS, List.of("ü")));

  private static final Tokenizer LETTERS =
      Tokenizer.of(TinyVocabulary.of("gpt-2", List.of(), List.of("<bos>"), List.of()));

  private static final List<Tool> TOOLS =
      Tool.all(
          List.of(
              Map.of(
                  "type",
                  "function",
                  "function",
                  Map.of(
                      "name",
                      "get_weather",
                      "parameters",
                      Map.of(
                          "type",
                          "object",
                          "properties",
                          Map.of(
                              "city", Map.of("type", "string"),
                              "zip", Map.of("type", "string"),
                              "days", Map.of("type", "integer"),
                              "to", Map.of("type", List.of("string", "null")),
                              "units", Map.of("type", "object"))))),
              Map.of("name", "stop")));

  /**
   * An answer.
   *
   * @param reasoning empty for none; so is content
   * @param calls name and arguments by turns
   */
  private record Recorded(
      OutputFormat format,
      Opening opening,
      String text,
      String reasoning,
      String content,
      List<String> calls) {
    OutputMessage message() {
      List<Call> made = new ArrayList<>();
      for (int i = 0; i < calls.size(); i += 2) {
        made.add(
            new Call(format.id(calls.get(i), 3 + i / 2), calls.get(i), calls.get(i + 1), true));
      }
      return new OutputMessage(
          reasoning.isEmpty() ? Optional.empty() : Optional.of(reasoning),
          content.isEmpty() && !made.isEmpty() ? Optional.empty() : Optional.of(content),
          made);
    }
  }

  private static Recorded of(
      OutputFormat format,
      Opening opening,
      String text,
      String reasoning,
      String content,
      String... calls) {
    return new Recorded(format, opening, text, reasoning, content, List.of(calls));
  }

  @SuppressWarnings("StringConcatToTextBlock") // where a line ends is what is tested
  static Stream<Recorded> recorded() {
    String paris = "{\"city\": \"Paris\"}";
    return Stream.of(
        // thinking
        of(OutputFormat.PLAIN, Opening.FREE, "Hello, <b>you</b> ", "", "Hello, <b>you</b> "),
        of(OutputFormat.PLAIN, Opening.FREE, "\n<think>\nHm.\n</think>\n\nYes.", "\nHm.\n", "Yes."),
        of(OutputFormat.PLAIN, Opening.FREE, "Say <think>!", "", "Say <think>!"),
        of(OutputFormat.DEEPSEEK_V3, Opening.THINKING, "Hm.</think>Yes.", "Hm.", "Yes."),
        of(OutputFormat.DEEPSEEK_V3, Opening.THINKING, "Hm. Is", "Hm. Is", ""),
        of(
            OutputFormat.DEEPSEEK_V3_1,
            Opening.ANSWERING,
            "No </think> here",
            "",
            "No </think> here"),
        // V3 and R1
        of(
            OutputFormat.DEEPSEEK_V3,
            Opening.FREE,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
                + paris
                + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop\n```json\n{}\n```"
                + "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "",
            "",
            "get_weather",
            paris,
            "stop",
            "{}"),
        of(
            OutputFormat.DEEPSEEK_V3,
            Opening.THINKING,
            "Look.</think>\n\nI look: \n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
                + "get_weather\n```json\n{\"city\": \"```\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "Look.",
            "I look:",
            "get_weather",
            "{\"city\": \"```\"}"),
        // the end of thinking and a call with nothing between; then in unclosed thinking
        of(
            OutputFormat.DEEPSEEK_V3_1,
            Opening.THINKING,
            "Look.</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
                + paris
                + "<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜><｜tool▁call▁end｜>"
                + "<｜tool▁calls▁end｜>",
            "Look.",
            "",
            "get_weather",
            paris,
            "stop",
            "{}"),
        of(
            OutputFormat.DEEPSEEK_V3_1,
            Opening.THINKING,
            "Look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
                + paris
                + "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "Look.",
            "",
            "get_weather",
            paris),
        // V3.2 and V4
        of(
            OutputFormat.DEEPSEEK_V3_2,
            Opening.ANSWERING,
            "Let me see.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
                + "<｜DSML｜parameter name=\"city\" string=\"true\">Pa\"ris\n</｜DSML｜parameter>\n"
                + "<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n"
                + "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"stop\">\n</｜DSML｜invoke>\n"
                + "</｜DSML｜function_calls>",
            "",
            "Let me see.",
            "get_weather",
            "{\"city\": \"Pa\\\"ris\\n\", \"days\": 2}",
            "stop",
            "{}"),
        of(
            OutputFormat.DEEPSEEK_V4,
            Opening.THINKING,
            "Hm</think>\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
                + "<｜DSML｜parameter name=\"units\" string=\"false\">{\"t\": [1]}</｜DSML｜parameter>\n"
                + "<｜DSML｜parameter name=\"units\" string=\"false\">{\"t\": []}</｜DSML｜parameter>\n"
                + "<｜DSML｜parameter name=\"days\" string=\"false\">two</｜DSML｜parameter>\n"
                + "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
            "Hm",
            "",
            "get_weather",
            "{\"units\": {\"t\": [1]}, \"days\": \"two\"}"),
        // Kimi
        of(
            OutputFormat.KIMI_K2,
            Opening.FREE,
            "I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
                + "<|tool_call_argument_begin|>"
                + paris
                + "<|tool_call_end|><|tool_call_begin|>functions.stop:7<|tool_call_argument_begin|>{}"
                + "<|tool_call_end|><|tool_calls_section_end|>",
            "",
            "I look.",
            "get_weather",
            paris,
            "stop",
            "{}"),
        // GLM: texts as they are, others by what they are
        of(
            OutputFormat.GLM,
            Opening.ANSWERING,
            "<tool_call>get_weather<arg_key>zip</arg_key><arg_value>001</arg_value>"
                + "<arg_key>days</arg_key><arg_value>3</arg_value>"
                + "<arg_key>other</arg_key><arg_value>007</arg_value>"
                + "<arg_key>zip</arg_key><arg_value>2</arg_value></tool_call>",
            "",
            "",
            "get_weather",
            "{\"zip\": \"001\", \"days\": 3, \"other\": \"007\"}"),
        of(
            OutputFormat.GLM,
            Opening.THINKING,
            "Two.</think>\nI ask.\n<tool_call>get_weather\n<arg_key>city</arg_key>\n"
                + "<arg_value>true</arg_value>\n</tool_call>\n<tool_call>stop</tool_call>",
            "Two.",
            "I ask.",
            "get_weather",
            "{\"city\": \"true\"}",
            "stop",
            "{}"),
        // of what may be a text and is JSON of another type, it is the text
        of(
            OutputFormat.GLM,
            Opening.ANSWERING,
            "<tool_call>get_weather<arg_key>to</arg_key><arg_value>12</arg_value>"
                + "<arg_key>days</arg_key><arg_value>12</arg_value></tool_call>"
                + "<tool_call>get_weather<arg_key>to</arg_key><arg_value>null</arg_value></tool_call>"
                + "<tool_call>get_weather<arg_key>to</arg_key><arg_value>\"12\"</arg_value></tool_call>",
            "",
            "",
            "get_weather",
            "{\"to\": \"12\", \"days\": 12}",
            "get_weather",
            "{\"to\": null}",
            "get_weather",
            "{\"to\": \"12\"}"),
        // an object between tags
        of(
            OutputFormat.PLAIN,
            Opening.ANSWERING,
            "Well.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"}\\\"\"}}\n"
                + "</tool_call>\n<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"stop\"}</tool_call>",
            "",
            "Well.",
            "get_weather",
            "{\"city\": \"}\\\"\"}",
            "stop",
            "{\"a\": 1}"),
        of(
            OutputFormat.PLAIN,
            Opening.ANSWERING,
            "<tool_call>no JSON</tool_call>",
            "",
            "<tool_call>no JSON</tool_call>"));
  }

  private static OutputParser parser(Recorded answer, Tokenizer tokenizer) {
    return new OutputParser(answer.format(), tokenizer, answer.opening(), TOOLS, 3);
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void tokenByTokenByAVocabularyThatHasTheMarks(Recorded answer) {
    OutputParser parser = parser(answer, TOKENS);
    List<OutputEvent> events = new ArrayList<>();
    for (int token : TOKENS.encode(answer.text(), false)) {
      events.addAll(parser.push(token));
    }
    events.addAll(parser.finish());
    assertEquals(answer.message(), OutputMessage.of(events));
  }

  private static OutputMessage inPieces(Recorded answer, int... cuts) {
    OutputParser parser = parser(answer, LETTERS);
    List<OutputEvent> events = new ArrayList<>();
    int from = 0;
    for (int cut : cuts) {
      events.addAll(parser.read(answer.text().substring(from, cut)));
      from = cut;
    }
    events.addAll(parser.read(answer.text().substring(from)));
    events.addAll(parser.finish());
    return OutputMessage.of(events);
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void inEveryTwoAndThreePiecesAndMany(Recorded answer) {
    int length = answer.text().length();
    assertEquals(answer.message(), inPieces(answer));
    for (int i = 0; i <= length; i++) {
      for (int j = i; j <= length; j += 1 + length / 40) {
        assertEquals(answer.message(), inPieces(answer, i, j), i + ", " + j);
      }
    }
    Random random = new Random(length);
    for (int round = 0; round < 60; round++) {
      int density = 1 + random.nextInt(12);
      int[] cuts =
          random.ints(0, length + 1).limit(1 + length / density).sorted().distinct().toArray();
      assertEquals(answer.message(), inPieces(answer, cuts));
    }
  }

  @Test
  void lettersOfAMarkAreTextWhereTheVocabularyHasItAsAToken() {
    Recorded thinks = of(OutputFormat.PLAIN, Opening.THINKING, "", "", "");
    OutputParser parser = parser(thinks, TOKENS);
    List<OutputEvent> events = new ArrayList<>();
    for (int token : TOKENS.encode("The tag </think> and <tool_call>", false, false)) {
      events.addAll(parser.push(token));
    }
    for (int token : TOKENS.encode("</think>Yes", false)) {
      events.addAll(parser.push(token));
    }
    events.addAll(parser.finish());
    assertEquals(
        new OutputMessage(
            Optional.of("The tag </think> and <tool_call>"), Optional.of("Yes"), List.of()),
        OutputMessage.of(events));
  }

  /** What a template closes or opens counts, not what someone wrote before it. */
  @Test
  void aTagQuotedInASystemPromptOpensNothing() {
    Prompt quoted =
        new Prompt(
            List.of(
                new Prompt.Template("<bos>"),
                new Prompt.Literal("Never write <think>"),
                new Prompt.Template("")));
    assertEquals(Opening.FREE, OutputFormat.opening(quoted));
    assertEquals(Opening.THINKING, OutputFormat.opening(Prompt.template("<｜Assistant｜><think>\n")));
    assertEquals(Opening.ANSWERING, OutputFormat.opening(Prompt.template("<｜Assistant｜></think>")));
  }

  @Test
  void withoutToolsACallIsPartOfTheText() {
    OutputParser parser =
        new OutputParser(OutputFormat.GLM, LETTERS, Opening.ANSWERING, List.of(), 0);
    List<OutputEvent> events = new ArrayList<>(parser.read("<tool_call>stop</tool_call> \n"));
    events.addAll(parser.finish());
    assertEquals(Optional.of("<tool_call>stop</tool_call> \n"), OutputMessage.of(events).content());
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void aCallThatIsCutKeepsWhatItHas(Recorded answer) {
    for (int length = 0; length < answer.text().length(); length++) {
      OutputParser parser = parser(answer, LETTERS);
      List<OutputEvent> events = new ArrayList<>(parser.read(answer.text().substring(0, length)));
      events.addAll(parser.finish());
      OutputMessage cut = OutputMessage.of(events);
      List<Call> whole = answer.message().calls();
      for (int i = 0; i < cut.calls().size(); i++) {
        Call call = cut.calls().get(i);
        assertEquals(whole.get(i).name(), call.name());
        assertTrue(whole.get(i).arguments().startsWith(call.arguments()), call.arguments());
        assertTrue(call.whole() || i == cut.calls().size() - 1);
      }
    }
  }

  /** Texts need not end before something is told of them. */
  @Test
  void argumentsStreamAsTheyCome() {
    for (Recorded answer : recorded().toList()) {
      OutputParser parser = parser(answer, LETTERS);
      int longest = 0;
      for (int i = 0; i < answer.text().length(); i++) {
        for (OutputEvent event : parser.read(answer.text().substring(i, i + 1))) {
          if (event instanceof OutputEvent.CallArguments(_, String json)) {
            longest = Math.max(longest, json.length());
          }
        }
      }
      assertTrue(longest <= 16, answer.format() + ": " + longest);
    }
  }

  @Test
  void endTokensAreNoText() {
    Tokenizer ends =
        Tokenizer.of(
            TinyVocabulary.of(
                "gpt-2", List.of(), List.of("<bos>", "<|observation|>", "<|x|>"), List.of()));
    OutputParser parser = new OutputParser(OutputFormat.GLM, ends, Opening.ANSWERING, List.of(), 0);
    List<OutputEvent> events = new ArrayList<>();
    for (int token : ends.encode("Yes.<|observation|>", false)) {
      events.addAll(parser.push(token));
    }
    events.addAll(parser.finish());
    assertEquals(Optional.of("Yes."), OutputMessage.of(events).content());
    assertFalse(parser.reasoning());
  }
}
