package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An answer that was read stands in the next prompt as the model wrote it. */
class CallHistoryTest {
  private static final Tokenizer TOKENS =
      Tokenizer.of(TinyVocabulary.of("gpt-2", List.of(), List.of("<bos>"), List.of()));

  private static final List<Tool> TOOLS =
      Tool.all(
          List.of(
              Map.of(
                  "name",
                  "weather",
                  "parameters",
                  Map.of(
                      "properties",
                      Map.of("city", Map.of("type", "string"), "days", Map.of("type", "integer")))),
              Map.of("name", "stop")));

  private static ChatTemplate template(String name) {
    return name.endsWith(".jinja")
        ? ChatTemplate.jinja(name, Shared.text("templates/" + name), TOKENS)
        : ChatTemplate.builtIn(name, TOKENS);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      delimiter = '@',
      textBlock =
          """
          deepseek-v3                                  @ DEEPSEEK_V3   @ <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather¶```json¶{"city": "Ulm", "days": 2}¶```<｜tool▁call▁end｜>¶<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop¶```json¶{}¶```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
          extracted-V3-original.jinja                  @ DEEPSEEK_V3   @ <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather¶```json¶{"city": "Ulm", "days": 2}¶```<｜tool▁call▁end｜>¶<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop¶```json¶{}¶```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
          deepseek-v3.1                                @ DEEPSEEK_V3_1 @ I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Ulm", "days": 2}<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
          deepseek-ai-DeepSeek-V3.1.original-2025-09.jinja @ DEEPSEEK_V3_1 @ I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Ulm", "days": 2}<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
          deepseek-v3.2                                @ DEEPSEEK_V3_2 @ I look.¶¶<｜DSML｜function_calls>¶<｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">Ulm</｜DSML｜parameter>¶<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>¶</｜DSML｜invoke>¶<｜DSML｜invoke name="stop">¶</｜DSML｜invoke>¶</｜DSML｜function_calls>
          deepseek-ai-DeepSeek-V3.2.jinja              @ DEEPSEEK_V3_2 @ I look.¶¶<｜DSML｜function_calls>¶<｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">Ulm</｜DSML｜parameter>¶<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>¶</｜DSML｜invoke>¶<｜DSML｜invoke name="stop">¶</｜DSML｜invoke>¶</｜DSML｜function_calls>
          deepseek-v4                                  @ DEEPSEEK_V4   @ I look.¶¶<｜DSML｜tool_calls>¶<｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">Ulm</｜DSML｜parameter>¶<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>¶</｜DSML｜invoke>¶<｜DSML｜invoke name="stop">¶¶</｜DSML｜invoke>¶</｜DSML｜tool_calls>
          deepseek-ai-DeepSeek-V4.jinja                @ DEEPSEEK_V4   @ I look.¶¶<｜DSML｜tool_calls>¶<｜DSML｜invoke name="weather">¶<｜DSML｜parameter name="city" string="true">Ulm</｜DSML｜parameter>¶<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>¶</｜DSML｜invoke>¶<｜DSML｜invoke name="stop">¶¶</｜DSML｜invoke>¶</｜DSML｜tool_calls>
          Kimi-K2-Instruct.jinja                       @ KIMI_K2       @ I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Ulm", "days": 2}<|tool_call_end|><|tool_call_begin|>functions.stop:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>
          GLM-4.7-Flash.jinja                          @ GLM           @ I look.<tool_call>weather<arg_key>city</arg_key><arg_value>Ulm</arg_value><arg_key>days</arg_key><arg_value>2</arg_value></tool_call><tool_call>stop</tool_call>
          """)
  void callsAreWrittenAgainAsTheyWere(String name, String format, String answer) {
    ChatTemplate template = template(name);
    assertEquals(OutputFormat.valueOf(format), template.format());
    String text = answer.replace('¶', '\n');
    OutputParser parser = template.format().parser(TOKENS, Prompt.template("</think>"), TOOLS, 0);
    OutputMessage read =
        parser.message(Arrays.stream(TOKENS.encode(text, false)).boxed().toList(), text);
    assertEquals(2, read.calls().size());
    String id = read.calls().getFirst().id();
    List<Message> turns =
        List.of(
            Message.user("Hi"),
            read.message(),
            new Message("tool", Optional.of("rain"), Map.of("tool_call_id", id)));
    String prompt =
        template
            .render(turns, RenderOptions.ANSWER.withVariables(Map.of("tools", declared())))
            .text();
    assertTrue(prompt.contains(text), prompt);
    assertTrue(prompt.indexOf("rain") > prompt.indexOf(text), prompt);
  }

  private static List<Map<String, Object>> declared() {
    return TOOLS.stream().map(Tool::declaration).toList();
  }
}
