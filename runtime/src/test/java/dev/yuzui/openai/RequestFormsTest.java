package dev.yuzui.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.text.Tool;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestFormsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          "response_format":{"type":"text"}        | Optional.empty
          "response_format":{"type":"json_object"} | Optional[Named[name=response_format, part=JsonObject[layout=SPACED]]]
          "response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"null"}}} | Optional[Named[name=response_format.json_schema.schema, part=JsonSchema[schema={"type":"null"}, layout=SPACED]]]
          "structured_outputs":{"json":{"type":"null"}} | Optional[Named[name=structured_outputs.json, part=JsonSchema[schema={"type":"null"}, layout=SPACED]]]
          "structured_outputs":{"json":"{}"}       | Optional[Named[name=structured_outputs.json, part=JsonSchema[schema={}, layout=SPACED]]]
          "structured_outputs":{"regex":"a+"}      | Optional[Named[name=structured_outputs.regex, part=Pattern[regex=a+]]]
          "structured_outputs":{"choice":["a",1]}  | Optional[Named[name=structured_outputs.choice, part=Choices[texts=[a, 1]]]]
          "structured_outputs":{"grammar":"root ::= [a]"} | Optional[Named[name=structured_outputs.grammar, part=Gbnf[text=root ::= [a]]]]
          "structured_outputs":{"json_object":true,"json":null} | Optional[Named[name=structured_outputs, part=JsonObject[layout=SPACED]]]
          "structured_outputs":{"json_object":false} | Optional.empty
          "guided_json":{"type":"null"}            | Optional[Named[name=guided_json, part=JsonSchema[schema={"type":"null"}, layout=SPACED]]]
          "guided_regex":"a+"                      | Optional[Named[name=guided_regex, part=Pattern[regex=a+]]]
          "guided_choice":["a"]                    | Optional[Named[name=guided_choice, part=Choices[texts=[a]]]]
          "guided_grammar":"root ::= [a]"          | Optional[Named[name=guided_grammar, part=Gbnf[text=root ::= [a]]]]
          """)
  void formsHaveOpenAisNamesAndVllms(String field, String source) {
    RequestFields fields =
        RequestFields.parse(("{" + field + "}").getBytes(StandardCharsets.UTF_8));
    assertEquals(source, ResponseForm.of(fields).toString());
  }

  @Test
  void aChoiceOfToolsSaysWhichMayBeCalledAndWhichAreShown() {
    String tools =
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"name\":\"g\"}]";
    assertEquals(List.of("f", "g"), callable(tools));
    assertEquals(List.of(), callable(tools + ",\"tool_choice\":\"none\""));
    assertEquals(List.of("f", "g"), callable(tools + ",\"tool_choice\":\"required\""));
    String named = tools + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}";
    assertEquals(List.of("g"), callable(named));
    assertEquals(2, of(named).declared().size());
    assertEquals(true, of(tools).several());
    assertEquals(false, of(tools + ",\"parallel_tool_calls\":false").several());
  }

  private static RequestTools of(String fields) {
    return RequestTools.of(
        RequestFields.parse(("{" + fields + "}").getBytes(StandardCharsets.UTF_8)));
  }

  private static List<String> callable(String fields) {
    return of(fields).tools().stream().map(Tool::name).toList();
  }
}
