package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.Tool;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ToolGrammarTest {
  private static final List<Tool> TOOLS =
      Tool.all(List.of(weather(Map.of()), Map.of("name", "stop")));

  private static Map<String, Object> weather(Map<String, Object> more) {
    Map<String, Object> properties = new LinkedHashMap<>();
    properties.put("city", Map.of("type", "string"));
    properties.put("days", Map.of("type", "integer", "minimum", 1));
    properties.put("unit", Map.of("type", "string", "enum", List.of("C", "F")));
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", "weather");
    function.put(
        "parameters",
        Map.of("type", "object", "properties", properties, "required", List.of("city")));
    function.putAll(more);
    return Map.of("type", "function", "function", function);
  }

  private static boolean allows(OutputFormat format, boolean several, String text) {
    return Vocabularies.grammar(new ToolGrammar(format, TOOLS, several).calls())
        .matches(text.getBytes(StandardCharsets.UTF_8));
  }

  /** How each writes a call; in a vocabulary that spells the marks. */
  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      delimiter = '@',
      textBlock =
          """
          DEEPSEEK_V3   @ <｜tool▁calls▁begin｜>$<｜tool▁calls▁end｜> @ <｜tool▁call▁begin｜>function<｜tool▁sep｜>weather¶```json¶{"city": "Ulm", "days": 2}¶```<｜tool▁call▁end｜> @ ¶<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop¶```json¶{}¶```<｜tool▁call▁end｜>
          DEEPSEEK_V3_1 @ <｜tool▁calls▁begin｜>$<｜tool▁calls▁end｜> @ <｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city":"Ulm"}<｜tool▁call▁end｜> @ <｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜>
          DEEPSEEK_V3_2 @ ¶¶<｜DSML｜function_calls>¶$</｜DSML｜function_calls> @ <｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">Ulm</｜DSML｜parameter>¶<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>¶</｜DSML｜invoke>¶ @ <｜DSML｜invoke name="stop">¶</｜DSML｜invoke>¶
          DEEPSEEK_V4   @ ¶¶<｜DSML｜tool_calls>¶$</｜DSML｜tool_calls> @ <｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">"U" <lm></｜DSML｜parameter>¶<｜DSML｜parameter name="unit" string="true">C</｜DSML｜parameter>¶</｜DSML｜invoke>¶ @ <｜DSML｜invoke name="stop">¶</｜DSML｜invoke>¶
          KIMI_K2       @ <|tool_calls_section_begin|>$<|tool_calls_section_end|> @ <|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Ulm"}<|tool_call_end|> @ <|tool_call_begin|>functions.stop:1<|tool_call_argument_begin|>{}<|tool_call_end|>
          GLM           @ $ @ <tool_call>weather<arg_key>city</arg_key><arg_value>001</arg_value><arg_key>days</arg_key><arg_value>3</arg_value></tool_call> @ <tool_call>stop</tool_call>
          PLAIN         @ $ @ <tool_call>¶{"name": "weather", "arguments": {"city": "Ulm"}}¶</tool_call> @ ¶<tool_call>¶{"name": "stop", "arguments": {}}¶</tool_call>
          """)
  void callsAreWrittenAsTheFamilyDoes(String format, String around, String one, String next) {
    OutputFormat of = OutputFormat.valueOf(format);
    String frame = around.replace('¶', '\n');
    String first = one.replace('¶', '\n');
    String both = first + next.replace('¶', '\n');
    assertTrue(allows(of, true, frame.replace("$", first)), first);
    assertTrue(allows(of, true, frame.replace("$", both)), both);
    assertTrue(allows(of, false, frame.replace("$", first)), first);
    assertFalse(allows(of, false, frame.replace("$", both)), both);
    assertFalse(allows(of, true, frame.replace("$", "")));
    assertFalse(allows(of, true, frame.replace("$", first.replace("weather", "other"))));
    assertFalse(allows(of, true, frame.replace("$", first.replace("city", "town"))));
  }

  @ParameterizedTest
  @EnumSource
  void whatFollowsTheMarkIsTheRestOfACall(OutputFormat format) {
    ToolGrammar grammar = new ToolGrammar(format, TOOLS, false);
    Grammar calls = Vocabularies.grammar(grammar.calls());
    Grammar rest = Vocabularies.grammar(grammar.behindMark());
    GrammarState whole = calls.start();
    GrammarState part = rest.start();
    byte[] mark = grammar.mark().getBytes(StandardCharsets.UTF_8);
    byte[] blanks = "\n\n".getBytes(StandardCharsets.UTF_8);
    boolean dsml = format == OutputFormat.DEEPSEEK_V3_2 || format == OutputFormat.DEEPSEEK_V4;
    assertTrue(!dsml || whole.acceptBytes(blanks));
    assertTrue(whole.acceptBytes(mark));
    assertEquals(part.mask(), whole.mask());
  }

  @ParameterizedTest
  @EnumSource
  void aBadSchemaIsNamedByItsTool(OutputFormat format) {
    Map<String, Object> bad =
        Map.of("type", "object", "properties", Map.of("day", Map.of("type", "intenger")));
    List<Tool> tools =
        Tool.all(List.of(Map.of("name", "good"), Map.of("name", "bad", "parameters", bad)));
    String message =
        assertThrows(
                GrammarException.class,
                () -> Vocabularies.grammar(new ToolGrammar(format, tools, true).calls()))
            .getMessage();
    assertTrue(message.startsWith("tools[1].parameters"), message);
    assertTrue(message.contains("'bad'") && message.contains("/type'"), message);
  }

  @Test
  void aToolThatIsNotStrictTakesAnyObject() {
    List<Tool> tools = Tool.all(List.of(weather(Map.of("strict", false))));
    Grammar grammar =
        Vocabularies.grammar(new ToolGrammar(OutputFormat.DEEPSEEK_V3_1, tools, true).calls());
    assertTrue(
        grammar.matches(
            ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"town\": [1]}"
                    + "<｜tool▁call▁end｜><｜tool▁calls▁end｜>")
                .getBytes(StandardCharsets.UTF_8)));
  }

  private static Grammar posting(OutputFormat format, Map<String, Object> schema) {
    List<Tool> tools = Tool.all(List.of(Map.of("name", "post", "parameters", schema)));
    return Vocabularies.grammar(new ToolGrammar(format, tools, false).calls());
  }

  private static boolean posts(OutputFormat format, Map<String, Object> of, String argument) {
    String call =
        switch (format) {
          case GLM -> "<tool_call>post<arg_key>zip</arg_key>" + argument + "</tool_call>";
          default ->
              "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"post\">\n"
                  + argument
                  + "</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
        };
    return posting(format, Map.of("properties", Map.of("zip", of)))
        .matches(call.getBytes(StandardCharsets.UTF_8));
  }

  private static boolean glm(Map<String, Object> of, String value) {
    return posts(OutputFormat.GLM, of, "<arg_value>" + value + "</arg_value>");
  }

  private static boolean dsml(Map<String, Object> of, boolean text, String value) {
    return posts(
        OutputFormat.DEEPSEEK_V4,
        of,
        "<｜DSML｜parameter name=\"zip\" string=\"" + text + "\">" + value + "</｜DSML｜parameter>\n");
  }

  /** GLM and DSML write texts without quotes; what is said of them holds nevertheless. */
  @Test
  void aTextWithoutQuotesIsHeldToItsSchema() {
    Map<String, Object> digits = Map.of("type", "string", "pattern", "^\\d+$", "maxLength", 3);
    assertTrue(glm(digits, "001") && dsml(digits, true, "001"));
    assertFalse(glm(digits, "0x1") || glm(digits, "0001") || glm(digits, "\"001\""));
    assertFalse(dsml(digits, false, "\"001\""));
    Map<String, Object> day = Map.of("type", "string", "format", "date");
    assertTrue(glm(day, "2024-02-29") && dsml(day, true, "2024-02-29"));
    assertFalse(glm(day, "2023-02-29") || dsml(day, true, "today"));
    Map<String, Object> some = Map.of("type", "string", "minLength", 2);
    assertTrue(glm(some, "öö") && dsml(some, true, "<b>"));
    assertFalse(glm(some, "ö") || glm(some, "a</arg_value>"));
  }

  @Test
  void whatMayBeATextOrSomethingElseIsWrittenAsWhatItIs() {
    for (Map<String, Object> maybe :
        List.<Map<String, Object>>of(
            Map.of("type", List.of("string", "null")),
            Map.of("anyOf", List.of(Map.of("type", "string"), Map.of("type", "null"))))) {
      assertTrue(glm(maybe, "Ulm") && glm(maybe, "null"));
      assertTrue(dsml(maybe, true, "Ulm") && dsml(maybe, false, "null"));
      assertFalse(dsml(maybe, false, "Ulm"));
    }
    // 3 would be read as a number, whatever was meant
    Map<String, Object> number = Map.of("type", List.of("string", "integer"), "minimum", 5);
    assertTrue(glm(number, "\"3\"") && glm(number, "7") && dsml(number, true, "3"));
    assertFalse(glm(number, "3") || dsml(number, false, "3"));
  }

  @Test
  void whatArgumentsOneByOneCannotBeHeldToIsRefused() {
    String together =
        assertThrows(
                GrammarException.class,
                () -> posting(OutputFormat.GLM, Map.of("properties", Map.of(), "minProperties", 1)))
            .getMessage();
    assertEquals(
        "tools[0].parameters (of 'post'): schema, '/minProperties': expected properties and"
            + " required alone, for this model writes arguments one by one, found minProperties;"
            + " leave it out, or give the tool \"strict\": false",
        together);
    String unlisted =
        assertThrows(
                GrammarException.class,
                () -> posting(OutputFormat.DEEPSEEK_V4, Map.of("required", List.of("zip"))))
            .getMessage();
    assertTrue(unlisted.contains("'/required': expected names that properties list"), unlisted);
    String beside =
        assertThrows(
                GrammarException.class,
                () -> glm(Map.of("type", "string", "not", Map.of("const", "a")), "b"))
            .getMessage();
    assertTrue(beside.contains(".properties.zip (of 'post'): schema, '/not'"), beside);
  }

  /** V4's encoding has an empty line in a call without arguments. */
  @Test
  void aCallWithoutArguments() {
    Map<String, Object> optional = Map.of("type", "string");
    assertTrue(posts(OutputFormat.DEEPSEEK_V4, optional, "\n"));
    assertTrue(posts(OutputFormat.DEEPSEEK_V4, optional, ""));
    String empty =
        "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"post\">\n\n</｜DSML｜invoke>\n"
            + "</｜DSML｜tool_calls>";
    assertFalse(
        posting(
                OutputFormat.DEEPSEEK_V4,
                Map.of("properties", Map.of("zip", optional), "required", List.of("zip")))
            .matches(empty.getBytes(StandardCharsets.UTF_8)));
  }

  /** Other names are not written, unless the schema goes on elsewhere. */
  @Test
  void namesThatAreNotListed() {
    Map<String, Object> listed = Map.of("properties", Map.of("a", Map.of("type", "null")));
    String call = "<tool_call>\n{\"name\": \"post\", \"arguments\": {\"b\": 1}}\n</tool_call>";
    byte[] text = call.getBytes(StandardCharsets.UTF_8);
    assertFalse(posting(OutputFormat.PLAIN, listed).matches(text));
    Map<String, Object> more =
        Map.of(
            "properties",
            listed.get("properties"),
            "allOf",
            List.of(Map.of("required", List.of("b"))));
    assertTrue(posting(OutputFormat.PLAIN, more).matches(text));
  }

  /** Definitions are the whole schema's, wherever a part of it stands. */
  @Test
  void argumentsMayReferToDefinitions() {
    Map<String, Object> schema =
        Map.of(
            "properties",
            Map.of("at", Map.of("$ref", "#/$defs/point")),
            "required",
            List.of("at"),
            "$defs",
            Map.of("point", Map.of("type", "array", "items", Map.of("type", "integer"))));
    List<Tool> tools = Tool.all(List.of(Map.of("name", "go", "parameters", schema)));
    Grammar grammar = Vocabularies.grammar(new ToolGrammar(OutputFormat.GLM, tools, true).calls());
    String call = "<tool_call>go<arg_key>at</arg_key><arg_value>[1, 2]</arg_value></tool_call>";
    assertTrue(grammar.matches(call.getBytes(StandardCharsets.UTF_8)));
    assertFalse(grammar.matches(call.replace("2", "x").getBytes(StandardCharsets.UTF_8)));
  }
}
