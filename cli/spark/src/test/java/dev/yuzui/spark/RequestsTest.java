package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ParsedRequest.Kind;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import scala.jdk.javaapi.CollectionConverters;

/** What rows ask for, of a model whose tokens are letters; no Spark runs. */
class RequestsTest {
  private static final YuzuiBatchConfig CONFIG = YuzuiBatchConfig.of("letters");
  private static final StructType MESSAGE =
      new StructType().add("role", DataTypes.StringType).add("content", DataTypes.StringType);

  /** With a chat template. */
  private static final ServedModel MODEL =
      new ServedModel(
          "letters",
          1 << 16,
          prompt -> prompt.text().chars().toArray(),
          Optional.of(
              (messages, _) ->
                  Prompt.template(
                      messages.stream()
                          .map(m -> "<" + m.role() + ">" + m.content().orElse(""))
                          .collect(Collectors.joining()))),
          Optional.of("tags"),
          Optional.empty(),
          RenderOptions.ANSWER,
          false,
          Optional.empty(),
          ReasoningFilter.Mode.STDERR,
          SamplingParams.GREEDY,
          5,
          List.of(),
          List.of(),
          false);

  private static Row row(String column, Object value) {
    StructType type =
        new StructType().add("id", DataTypes.StringType).add(column, DataTypes.StringType);
    return new GenericRowWithSchema(new Object[] {"7", value}, type);
  }

  private static ParsedRequest body(String json) {
    return new Requests(CONFIG.withBodies("body").withId("id"), MODEL).parse(row("body", json));
  }

  private static String line(String url, String body) {
    return "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\""
        + url
        + "\",\"body\":"
        + body
        + "}";
  }

  private static GenerateRequest request(ParsedRequest asked) {
    return asked.prompts().getFirst().request();
  }

  private static String prompt(ParsedRequest asked) {
    return request(asked).prompt().stream().map(Character::toString).collect(Collectors.joining());
  }

  private static Row answer(ParsedRequest asked, String text) {
    return Response.of(
        AnswerFields.of(MODEL),
        asked,
        new GenerationResult(
            text,
            List.of(1, 2),
            FinishReason.LENGTH,
            new GenerationResult.Timings(0, 3, 4, 0, 0, 0),
            GenerationResult.Speculative.NONE));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          /v1/completions      | {"prompt":"x","presence_penalty":1}                               | COMPLETION | x
          /v1/chat/completions | {"messages":[{"role":"user","content":"x"}],"presence_penalty":1} | CHAT       | <user>x
          ``                   | {"prompt":"x","presence_penalty":1}                               | PLAIN      | <user>x
          """)
  void aBodyIsAnsweredByTheRulesOfItsUrlAsABatchsLineIs(
      String url, String body, Kind kind, String prompt) {
    ParsedRequest asked = body(url.isEmpty() ? body : line(url, body));
    assertEquals(kind, asked.kind());
    assertEquals(prompt, prompt(asked));
    SamplingParams sampling = request(asked).sampling();
    assertEquals(
        kind == Kind.PLAIN ? Counted.WINDOW : Counted.GENERATED, sampling.penalties().counted());
    assertEquals(OptionalLong.of(YuzuiBatch.seed("7")), sampling.seed(), "of the row's id");
    Row answer = answer(asked, "<think>hm</think>yes");
    boolean raw = kind == Kind.COMPLETION;
    assertEquals(raw ? "<think>hm</think>yes" : "yes", answer.get(0));
    assertEquals(raw ? null : "hm", answer.get(1));
    assertEquals("length", answer.get(2));
    assertEquals(RowFactory.create((long) prompt.length(), 3L, 2L), answer.get(3));
  }

  @Test
  void aSeedOfItsOwnGoesBeforeTheIds() {
    assertEquals(
        OptionalLong.of(3),
        request(body(line("/v1/completions", "{\"prompt\":\"x\",\"seed\":3}"))).sampling().seed());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"custom_id":"a","url":"/v1/embeddings","body":{"prompt":"x"}}                  | mismatched_url  | found /v1/embeddings
          {"custom_id":"a","method":"GET","url":"/v1/completions","body":{"prompt":"x"}}  | invalid_request | method: expected POST, found GET
          {"custom_id":"a","url":"/v1/completions","body":{"prompt":"x"},"more":1}        | invalid_request | more: expected a field of this request
          {"url":"/v1/completions","body":{"prompt":"x"}}                                 | invalid_request | custom_id: expected a string, found none
          {"custom_id":"a","url":"/v1/completions","body":"x"}                            | invalid_request | body: expected an object
          {"custom_id":"a","url":"/v1/completions","body":{"prompt":["x","y"]}}           | invalid_request | expected one prompt and one answer, found 2; make a row for each
          {"custom_id":"a","url":"/v1/completions","body":{"prompt":"x","n":2}}           | invalid_request | expected one prompt and one answer, found 2; make a row for each
          {"prompt":"x","id":"a"}                                                         | invalid_request | id: expected custom_id
          {"prompt":"x","stream":true}                                                    | invalid_request | stream: expected false
          {"prompt":"x","logprobs":2}                                                     | invalid_request | logprobs: expected none, for a row has no place for them
          """)
  void whatABatchRefusesIsRefused(String body, String code, String message) {
    RequestProblem problem = assertThrows(RequestProblem.class, () -> body(body));
    assertEquals(code, problem.code().name().toLowerCase(Locale.ROOT));
    assertTrue(problem.getMessage().contains(message), problem.getMessage());
  }

  private static ParsedRequest messages(Object value) {
    return new Requests(CONFIG.withMessages("messages"), MODEL).parse(row("messages", value));
  }

  @Test
  void aConversationIsAnArrayOfStructsOrJson() {
    Row[] said = {
      new GenericRowWithSchema(new Object[] {"system", "brief"}, MESSAGE),
      new GenericRowWithSchema(new Object[] {"user", "x"}, MESSAGE)
    };
    String prompt = "<system>brief<user>x";
    assertEquals(
        prompt, prompt(messages(CollectionConverters.asScala(List.of(said).iterator()).toSeq())));
    assertEquals(
        prompt,
        prompt(
            messages(
                "[{\"role\":\"system\",\"content\":\"brief\"},{\"role\":\"user\",\"content\":\"x\"}]")));
  }

  @Test
  void aConversationThatIsNoneIsNamed() {
    StructType odd =
        new StructType().add("role", DataTypes.StringType).add("content", DataTypes.IntegerType);
    Row number = new GenericRowWithSchema(new Object[] {"user", 5}, odd);
    Object numbers = CollectionConverters.asScala(List.of(number).iterator()).toSeq();
    for (Object value : List.of(numbers, "[],\"more\":[]")) {
      RequestProblem problem = assertThrows(RequestProblem.class, () -> messages(value));
      assertTrue(problem.getMessage().startsWith("messages: expected a "), problem.getMessage());
    }
  }
}
