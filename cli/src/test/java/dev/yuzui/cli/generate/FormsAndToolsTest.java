package dev.yuzui.cli.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.cli.CommandRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The embedded model, held to a form or to its tools, in every command that has answers. */
class FormsAndToolsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String TOOLS =
      """
      [{"type": "function", "function": {"name": "roll", "description": "Rolls dice",
        "parameters": {"type": "object",
          "properties": {"dice": {"type": "integer", "minimum": 1, "maximum": 6}},
          "required": ["dice"]}}},
       {"name": "stop"}]
      """;

  @TempDir private Path folder;
  private String tools;
  private String template;

  @BeforeEach
  void write() throws IOException {
    tools = Files.writeString(folder.resolve("tools.json"), TOOLS).toString();
    template =
        Files.writeString(
                folder.resolve("plain.jinja"),
                "{% for m in messages %}{{ m.content }}\n{% endfor %}")
            .toString();
  }

  private static CommandRun generate(String input, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "generate",
                "--backend",
                "cpu",
                "-p",
                "Once upon a time",
                "--temp",
                "1",
                "--seed",
                "3",
                "-c",
                "768"));
    arguments.addAll(List.of(more));
    return CommandRun.withInput(input, arguments.toArray(String[]::new));
  }

  private String[] withTools(String... more) {
    List<String> all = new ArrayList<>(List.of("--tools", tools, "--chat-template", template));
    all.addAll(Arrays.asList(more));
    return all.toArray(String[]::new);
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new AssertionError(text, e);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      value = {
        "--choices @ yes,no @ yes|no",
        "--choices @ [\"a, b\", \"c\"] @ a, b|c",
        "--regex @ [a-c]{3}-[0-9] @ [a-c]{3}-[0-9]",
        "--grammar @ root ::= \"x\" [yz] @ x[yz]",
        "--json-schema @ {\"enum\": [\"k\", 7]} @ \"k\"|7(\\.0)?"
      })
  void anAnswerHasItsForm(String flag, String form, String expected) {
    CommandRun run = generate("", flag, form);
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().strip().matches(expected), run.out());
  }

  @Test
  void aFormMayComeFromAFile() throws IOException {
    Path schema = Files.writeString(folder.resolve("s.json"), "{\"const\": \"wolf\"}");
    assertEquals("\"wolf\"\n", generate("", "--json-schema", schema.toString()).out());
    Path grammar = Files.writeString(folder.resolve("g.gbnf"), "root ::= \"fox\"\n");
    assertEquals("fox\n", generate("", "--grammar", grammar.toString()).out());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      value = {
        "--json-schema @ {\"items\": {\"type\": \"strong\"}} @ --json-schema: schema, '/items/type': expected one of",
        "--json-schema @ {} x @ --json-schema: schema",
        "--json-schema @ no-such.json @ --json-schema: expected a file, found no-such.json",
        "--grammar @ root ::= ( @ --grammar: ",
        "--regex @ (a @ --regex: ",
        "--choices @ [1] @ --choices: expected texts, found 1",
        "--tool-choice @ auto @ --tool-choice: expected --tools FILE beside it",
        "--tool-command @ ls @ --tool-command: expected --tools FILE beside it"
      })
  void whatIsWrongIsSaidOfItsFlag(String flag, String value, String message) {
    CommandRun run = generate("", flag, value);
    assertTrue(run.err().contains(message), run.err());
    assertFalse(run.exitCode() == 0);
    assertEquals("", run.out());
  }

  @Test
  void formsExcludeEachOther() {
    CommandRun run = generate("", "--regex", "a", "--choices", "b");
    assertTrue(run.err().contains("--regex, --choices: expected one of them, found 2"), run.err());
  }

  @Test
  void toolsNeedATemplate() {
    CommandRun run =
        CommandRun.yuzui("generate", "-m", CommandRun.GGUF, "-p", "x", "--tools", tools);
    assertTrue(run.err().contains("--tools: this model has no chat template"), run.err());
    CommandRun raw = generate("", "--tools", tools, "--raw");
    assertTrue(
        raw.err().contains("--raw: it leaves out the chat template, which --tools"), raw.err());
  }

  @Test
  void aCallIsALineOfJson() {
    CommandRun run = generate("", withTools("--tool-choice", "roll"));
    JsonNode call = json(run.out());
    assertEquals("roll", call.get("name").asText(), run.err());
    int dice = call.get("arguments").get("dice").asInt();
    assertTrue(dice >= 1 && dice <= 6, run.out());

    JsonNode report = json(generate("", withTools("--tool-choice", "stop", "--json")).out());
    assertEquals("tool_calls", report.get("finish_reason").asText());
    JsonNode first = report.get("tool_calls").get(0);
    assertEquals("call_0", first.get("id").asText());
    assertEquals("stop", first.get("function").get("name").asText());
  }

  @Test
  void aCallThatIsCutIsNone() {
    JsonNode report =
        json(generate("", withTools("--tool-choice", "roll", "--json", "-n", "30")).out());
    assertEquals("length", report.get("finish_reason").asText());
  }

  @EnabledOnOs({OS.LINUX, OS.MAC})
  @Test
  void aProgramAnswersACallThatWasAllowed() throws IOException {
    Path program = folder.resolve("run");
    Files.writeString(
        program,
        "#!/bin/sh\nprintf '%s:' \"$1\" > "
            + folder
            + "/seen\ncat >> "
            + folder
            + "/seen\necho six\n");
    assertTrue(program.toFile().setExecutable(true));
    String[] flags =
        withTools("--tool-choice", "stop", "--tool-command", program.toString(), "-n", "60");
    CommandRun refused = generate("n\n", flags);
    assertTrue(refused.err().contains("run " + program + " stop? [y/N]"), refused.err());
    assertFalse(Files.exists(folder.resolve("seen")));
    CommandRun silent = generate("", flags); // nobody is there to allow it
    assertEquals("{\"name\": \"stop\", \"arguments\": {}}\n", silent.out());
    assertFalse(Files.exists(folder.resolve("seen")));
    CommandRun allowed = generate("y\n", flags);
    assertEquals("stop:{}", Files.readString(folder.resolve("seen")), allowed.err());
    assertTrue(
        allowed.out().startsWith("{\"name\": \"stop\", \"arguments\": {}}\n"), allowed.out());
    assertFalse(allowed.out().equals(silent.out())); // it went on
  }

  @Test
  void aChatIsAnsweredByHandAndSaved() throws IOException {
    Path saved = folder.resolve("saved.json");
    CommandRun run =
        CommandRun.withInput(
            "Roll.\nsix\n/save " + saved + "\n",
            "chat",
            "--backend",
            "cpu",
            "--temp",
            "1",
            "--seed",
            "3",
            "-c",
            "1024",
            "-n",
            "60",
            "--tools",
            tools,
            "--chat-template",
            template,
            "--tool-choice",
            "stop");
    assertTrue(run.err().contains("stop answers: "), run.err());
    JsonNode turns = json(Files.readString(saved));
    assertEquals(
        "stop", turns.get(1).get("tool_calls").get(0).get("function").get("name").asText());
    assertEquals("tool", turns.get(2).get("role").asText());
    assertEquals("six", turns.get(2).get("content").asText());
    assertEquals("call_0", turns.get(2).get("tool_call_id").asText());
    assertEquals("assistant", turns.get(3).get("role").asText());
    CommandRun loaded =
        CommandRun.withInput(
            "/load " + saved + "\n/stats\n",
            "chat",
            "--backend",
            "cpu",
            "-c",
            "1024",
            "--chat-template",
            template);
    assertTrue(loaded.err().contains("4 messages"), loaded.err());
  }

  @Test
  void aBatchHasOpenAisForms() throws IOException {
    Path in = folder.resolve("in.jsonl");
    Path out = folder.resolve("out.jsonl");
    String function = json(TOOLS).get(0).toString();
    Files.writeString(
        in,
        String.join(
            "\n",
            line(
                "a",
                "\"tools\":["
                    + function
                    + "],\"tool_choice\":\"required\",\"n\":2,\"parallel_tool_calls\":false"),
            line(
                "b",
                "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{\"const\":\"wolf\"}}},\"logprobs\":true,\"top_logprobs\":2"),
            line("c", "\"structured_outputs\":{\"choice\":[\"yes\",\"no\"]}"),
            line("d", "\"guided_json\":{\"type\":\"strong\"}"),
            line("e", "\"tools\":[" + function.replace("integer", "intenger") + "]"),
            "{\"prompt\":\"Hi\",\"guided_regex\":\"[ab]{2}\",\"logprobs\":1}"));
    CommandRun run =
        CommandRun.yuzui(
            "batch",
            "--backend",
            "cpu",
            "-c",
            "512",
            "-i",
            in.toString(),
            "-o",
            out.toString(),
            "--chat-template",
            template,
            "--temp",
            "1");
    assertEquals(0, run.exitCode(), run.err());
    List<JsonNode> lines = Files.readAllLines(out).stream().map(FormsAndToolsTest::json).toList();

    JsonNode choices = lines.get(0).at("/response/body/choices");
    assertEquals(2, choices.size());
    for (JsonNode choice : choices) {
      assertEquals("tool_calls", choice.get("finish_reason").asText());
      assertTrue(choice.at("/message/content").isNull(), choice.toString());
      JsonNode call = choice.at("/message/tool_calls/0");
      assertEquals("function", call.get("type").asText());
      assertEquals("roll", call.at("/function/name").asText());
      int dice = json(call.at("/function/arguments").asText()).get("dice").asInt();
      assertTrue(dice >= 1 && dice <= 6, call.toString());
    }
    JsonNode schema = lines.get(1).at("/response/body/choices/0");
    assertEquals("\"wolf\"", schema.at("/message/content").asText());
    JsonNode told = schema.at("/logprobs/content");
    StringBuilder spelled = new StringBuilder();
    told.forEach(token -> spelled.append(token.get("token").asText()));
    assertEquals("\"wolf\"", spelled.toString());
    assertEquals(2, told.get(0).get("top_logprobs").size());
    assertTrue(
        Set.of("yes", "no")
            .contains(lines.get(2).at("/response/body/choices/0/message/content").asText()));
    String problem = lines.get(3).at("/error/message").asText();
    assertTrue(problem.startsWith("guided_json: schema, '/type': expected one of"), problem);
    String tool = lines.get(4).at("/error/message").asText();
    assertTrue(
        tool.startsWith("tools[0].parameters (of 'roll'): schema, '/properties/dice/type'"), tool);
    assertTrue(lines.get(5).get("text").asText().matches("[ab]{2}"), lines.get(5).toString());
    assertTrue(lines.get(5).get("logprobs").get("content").size() > 0);
  }

  private static String line(String id, String fields) {
    return "{\"custom_id\":\""
        + id
        + "\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":200,"
        + fields
        + "}}";
  }
}
