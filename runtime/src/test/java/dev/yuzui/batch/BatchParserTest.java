package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.openai.BatchEnvelope;
import dev.yuzui.openai.BatchParser;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ParsedRequest.Kind;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestParser;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.spi.RecordCopy;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchParserTest {
  private static ParsedRequest parse(String line) {
    return parse(FakeBatch.MODEL, line);
  }

  private static ParsedRequest chat(String body) {
    return parse(
        "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":"
            + body
            + "}");
  }

  private static ParsedRequest completion(String body) {
    return parse(
        "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":"
            + body
            + "}");
  }

  private static List<String> prompts(ParsedRequest task) {
    return task.prompts().stream()
        .map(prompt -> FakeBatch.parrot(prompt.request()).text())
        .toList();
  }

  @Test
  void aPlainPromptIsAUsersMessageAndACompletionsPromptIsNot() {
    assertEquals(List.of("<user>hi"), prompts(parse("{\"prompt\":\"hi\"}")));
    assertEquals(List.of("hi"), prompts(completion("{\"model\":\"m\",\"prompt\":\"hi\"}")));
  }

  @Test
  void messagesGoThroughTheTemplate() {
    ParsedRequest task =
        chat(
            """
            {"messages":[{"role":"developer","content":"brief"},
             {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
             {"role":"assistant","content":null,"tool_calls":[]}]}\
            """);
    assertEquals(Kind.CHAT, task.kind());
    assertEquals(List.of("<system>brief<user>ab<assistant>"), prompts(task));
    assertEquals(
        List.of("<user>x"),
        prompts(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"thinking":true}                       | <user>x<think>
          {"enable_thinking":false}               | <user>x</think>
          {"thinking":true,"enable_thinking":true}| <user>x<think>
          {"thinking":false,"effort":"high"}      | <user>x</think>{effort=high}
          {"language":null}                       | <user>x{language=null}
          {}                                      | <user>x
          null                                    | <user>x
          """)
  void kwargsReachTheTemplate(String kwargs, String prompt) {
    String more = "\"chat_template_kwargs\":" + kwargs;
    String messages = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + more + "}";
    assertEquals(List.of(prompt), prompts(chat(messages)));
    assertEquals(List.of(prompt), prompts(parse("{\"prompt\":\"x\"," + more + "}")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"thinking":"no"}                         | thinking: expected true or false, found no
          {"enable_thinking":null}                  | enable_thinking: expected true or false, found null
          {"thinking":true,"enable_thinking":false} | expected the same value
          {"messages":[]}                           | messages: expected a variable of the template
          {"bos_token":"x"}                         | bos_token: expected
          [1]                                       | chat_template_kwargs: expected an object, found [1]
          """)
  void kwargsThatCannotBeSetAreNamed(String kwargs, String said) {
    String line =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"chat_template_kwargs\":"
            + kwargs
            + "}";
    var e = assertThrows(RequestProblem.class, () -> chat(line));
    assertTrue(e.getMessage().contains(said), e.getMessage());
    assertTrue(e.getMessage().contains("chat_template_kwargs"), e.getMessage());
  }

  @Test
  void kwargsWithNoTemplateToReachAreRefused() {
    var e =
        assertThrows(
            RequestProblem.class,
            () -> parse("{\"prompt\":[104],\"chat_template_kwargs\":{\"thinking\":true}}"));
    assertTrue(e.getMessage().contains("chat_template_kwargs: expected messages"), e.getMessage());
  }

  @Test
  void anAssistantThatSaidNothingIsATurnAllTheSame() {
    assertEquals(
        List.of("<user>x<assistant>"),
        prompts(
            chat(
                """
                {"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null}]}\
                """)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          "hi"            | hi
          ["hi","ho"]     | hi,ho
          [104,105]       | hi
          [[104,105],[49]]| hi,1
          """)
  void aCompletionsPromptIsATextOrTokensOrAnArrayOfEither(String prompt, String prompts) {
    assertEquals(List.of(prompts.split(",")), prompts(completion("{\"prompt\":" + prompt + "}")));
  }

  @Test
  void everyPromptIsAnsweredNTimesWithSeedsOfItsOwn() {
    ParsedRequest task = completion("{\"prompt\":[\"a\",\"b\"],\"n\":2,\"seed\":7}");
    assertEquals(2, task.answers());
    assertEquals(
        List.of(7L, 9L),
        task.prompts().stream().map(p -> p.request().sampling().seed().orElseThrow()).toList());
    assertEquals(2, task.promptTokens());
  }

  @Test
  void seedsBeginAnewBehindTheLargest() {
    ParsedRequest task =
        completion("{\"prompt\":[\"a\",\"b\"],\"n\":2,\"seed\":" + (Long.MAX_VALUE - 1) + "}");
    assertEquals(
        List.of(Long.MAX_VALUE - 1, 0L),
        task.prompts().stream().map(p -> p.request().sampling().seed().orElseThrow()).toList());
  }

  @ParameterizedTest
  @CsvSource({"-1", "null"})
  void minusOneIsARandomSeedAsOnTheCommandLine(String seed) {
    for (ParsedRequest task :
        List.of(
            parse("{\"prompt\":\"x\",\"seed\":" + seed + "}"),
            completion("{\"prompt\":[\"x\",\"y\"],\"n\":2,\"seed\":" + seed + "}"),
            chat("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"seed\":" + seed + "}"))) {
      task.prompts()
          .forEach(p -> assertEquals(OptionalLong.empty(), p.request().sampling().seed()));
    }
  }

  @Test
  void bothHalvesOfASurrogatePairAreALetter() {
    assertEquals(List.of("<user>\ud83d\ude0a"), prompts(parse("{\"prompt\":\"\\ud83d\\ude0a\"}")));
  }

  @Test
  void fieldsGoBeforeTheCommandLine() {
    GenerateRequest request =
        chat("""
        {"messages":[{"role":"user","content":"x"}],"max_tokens":9,"max_completion_tokens":3,
         "temperature":0.5,"top_p":0.25,"top_k":-1,"min_p":0.125,"seed":4,"stop":["."],
         "presence_penalty":1,"frequency_penalty":2,"repetition_penalty":1.5,
         "logit_bias":{"5":1.5,"6":-100},"ignore_eos":true,"user":"me","stream":false}\
        """)
            .prompts()
            .getFirst()
            .request();
    assertEquals(3, request.maxTokens());
    assertEquals(List.of("."), request.stop());
    assertTrue(request.ignoreEos());
    var sampling = request.sampling();
    assertEquals(0.5, sampling.temperature());
    assertEquals(0.25, sampling.topP());
    assertEquals(0, sampling.topK());
    assertEquals(0.125, sampling.minP());
    assertEquals(OptionalLong.of(4), sampling.seed());
    assertEquals(1, sampling.penalties().presence());
    assertEquals(2, sampling.penalties().frequency());
    assertEquals(1.5, sampling.penalties().repeat());
    assertEquals(Map.of(5, 1.5f, 6, Float.NEGATIVE_INFINITY), sampling.logitBias());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"messages":[{"role":"user","content":"x"}],"presence_penalty":1} | CHAT
          {"prompt":"x","presence_penalty":1}                               | COMPLETION
          {"prompt":"x","presence_penalty":1}                               | PLAIN
          """)
  void penaltiesOfOpenAiFormsCountTheAnswerAlone(String body, Kind kind) {
    ParsedRequest task =
        switch (kind) {
          case CHAT -> chat(body);
          case COMPLETION -> completion(body);
          case PLAIN -> parse(body);
        };
    var sampling = task.prompts().getFirst().request().sampling();
    boolean plain = kind == Kind.PLAIN;
    assertEquals(kind, task.kind());
    assertEquals(plain ? Counted.WINDOW : Counted.GENERATED, sampling.penalties().counted());
    assertEquals(plain ? 64 : -1, sampling.penalties().lastN());
  }

  @Test
  void nullIsAbsent() {
    GenerateRequest request =
        completion(
                "{\"prompt\":\"x\",\"max_tokens\":null,\"stop\":null,\"seed\":null,\"logprobs\":null,\"suffix\":null}")
            .prompts()
            .getFirst()
            .request();
    assertEquals(FakeBatch.MODEL.maxTokens(), request.maxTokens());
    assertEquals(OptionalLong.empty(), request.sampling().seed());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"prompt":"x"                           | invalid_json_line | on one line
          {"prompt":"x"} {}                       | invalid_json_line | found another value behind it at column
          {"prompt":"x","temperature":NaN}        | invalid_json_line | found Non-standard token 'NaN' at column
          {'prompt':"x"}                          | invalid_json_line | found Unexpected character (''' (code 39)) at column
          ["x"]                                   | invalid_json_line | expected a JSON object
          7                                       | invalid_json_line | expected a JSON object
          {"prompt":"x","prompt":"y"}             | invalid_json_line | Duplicate field 'prompt'
          {"prompt":"x\\ud83d"}                   | invalid_json_line | \\ud83d, half of a surrogate pair
          {"messages":[{"content":"\\ude0a x"}]}  | invalid_json_line | \\ude0a, half of a surrogate pair
          {"tools":[{"parameters":{"\\ud83d":1}}]} | invalid_json_line | \\ud83d, half of a surrogate pair
          {}                                      | invalid_request   | found none of them
          {"prompt":"x","messages":[]}            | invalid_request   | found both
          {"prompt":7}                            | invalid_request   | prompt: expected a text
          {"prompt":[70000]}                      | invalid_request   | token ids below 65536, found 70000
          {"prompt":[]}                           | invalid_request   | prompt: expected a text
          {"prompt":"x","max_token":5}            | invalid_request   | max_token: expected a field
          {"prompt":"x","max_tokens":0}           | invalid_request   | max_tokens: expected a whole number from 1
          {"prompt":"x","max_tokens":1.5}         | invalid_request   | max_tokens: expected a whole number
          {"prompt":"x","temperature":"hot"}      | invalid_request   | temperature: expected a number
          {"prompt":"x","temperature":-1}         | invalid_request   | temperature: expected a number from 0
          {"prompt":"x","top_p":0}                | invalid_request   | top_p: expected a number
          {"prompt":"x","seed":0.5}               | invalid_request   | seed: expected a whole number
          {"prompt":"x","seed":-2}                | invalid_request   | or -1 for a random seed, found -2
          {"custom_id":5,"prompt":"x"}            | invalid_request   | custom_id: expected a string, found 5
          {"custom_id":5,"url":"/v1/completions","body":{}} | invalid_request | custom_id: expected a string, found 5
          {"id":"q1","prompt":"x"}                | invalid_request   | id: expected custom_id
          {"custom_id":"\\udE0Aid","prompt":"x"}  | invalid_json_line | \\ude0a, half of a surrogate pair
          {"prompt":"x","stop":[1]}               | invalid_request   | stop: expected a text
          {"prompt":"x","stop":""}                | invalid_request   | stop: expected a text
          {"prompt":"x","logit_bias":{"a":1}}     | invalid_request   | logit_bias: expected
          {"prompt":"x","n":2}                    | invalid_request   | make a request for each
          {"prompt":"x","n":1000}                 | invalid_request   | n: expected a whole number from 1 to 128
          {"prompt":"x","logprobs":5}             | invalid_request   | logprobs: expected none of them
          {"prompt":"x","logprobs":21}            | invalid_request   | logprobs: expected a whole number from 0 to 20
          {"prompt":"x","top_logprobs":3}         | invalid_request   | top_logprobs: expected "logprobs": true
          {"prompt":"x","stream":true}            | invalid_request   | stream: expected false
          {"prompt":"x","tools":[{}]}             | invalid_request   | tools[0].name: expected letters
          {"prompt":"x","tools":{}}               | invalid_request   | tools: expected an array, found {}
          {"prompt":"x","tools":[{"name":"f"},{"name":"f"}]} | invalid_request | tools[1]: expected a name of its own
          {"prompt":"x","tools":[{"type":"web"}]} | invalid_request   | tools[0].type: expected "function", found "web"
          {"prompt":"x","tool_choice":"required"} | invalid_request   | tool_choice: expected tools beside it
          {"prompt":"x","tool_choice":"some"}     | invalid_request   | tool_choice: expected none, auto, required
          {"prompt":"x","tools":[{"name":"f"}],"tool_choice":{"type":"function","function":{"name":"g"}}} | invalid_request | tool_choice: expected one of [f], found 'g'
          {"prompt":"x","functions":[{}]}         | invalid_request   | functions: expected none
          {"prompt":"x","reasoning_effort":"some"} | invalid_request  | reasoning_effort: expected one of
          {"prompt":"x","reasoning_effort":"none"} | invalid_request  | reasoning_effort: expected a model that can be asked
          {"prompt":"x","response_format":{"type":"json_object"}} | invalid_request | expected none of them, found some, and this model has no tokenizer
          {"prompt":"x","response_format":{"type":"xml"}} | invalid_request | response_format: expected a type of text, json_object or json_schema, found "xml"
          {"prompt":"x","response_format":{"type":"json_schema"}} | invalid_request | response_format: expected {"type": "json_schema", "json_schema"
          {"prompt":"x","structured_outputs":{"json":{},"regex":"a"}} | invalid_request | structured_outputs: expected one of [choice, grammar, json, json_object, regex]
          {"prompt":"x","structured_outputs":{"structural_tag":"a"}} | invalid_request | structured_outputs: expected one of
          {"prompt":"x","guided_regex":"a","guided_choice":["b"]} | invalid_request | guided_regex, guided_choice: expected one of them, found 2
          {"prompt":"x","guided_choice":[]}       | invalid_request   | guided_choice: expected an array of texts
          {"prompt":"x","best_of":3}              | invalid_request   | best_of: expected 1
          {"prompt":"x","echo":true}              | invalid_request   | echo: expected false
          {"messages":[]}                         | invalid_request   | messages: expected an array
          {"messages":["x"]}                      | invalid_request   | messages: expected a role
          {"messages":[{"role":"bard","content":"x"}]} | invalid_request | found "bard"
          {"messages":[{"role":"user"}]}          | invalid_request   | messages: expected a content
          {"messages":[{"role":"user","content":[{"type":"image_url"}]}]} | invalid_request | content of texts
          {"body":{}}                             | invalid_request   | custom_id: expected a string
          {"custom_id":"a","url":"/v1/completions"} | invalid_request | body: expected an object
          {"custom_id":"a","method":"GET","body":{}} | invalid_request | method: expected POST, found GET
          {"custom_id":"a","url":"/v1/embeddings","body":{}} | mismatched_url | found /v1/embeddings
          {"custom_id":"a","url":"/v1/completions","body":{"messages":[]}} | invalid_request | messages: expected a field
          """)
  void whatCannotBeDoneIsRefusedNamingTheField(String line, String code, String message) {
    RequestProblem problem = assertThrows(RequestProblem.class, () -> parse(line));
    assertEquals(code, problem.code().name().toLowerCase(java.util.Locale.ROOT));
    assertTrue(problem.getMessage().contains(message), problem.getMessage());
  }

  @Test
  void bytesThatAreNoUtf8AreRefused() {
    byte[] line = "{\"prompt\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1);
    RequestProblem problem = assertThrows(RequestProblem.class, () -> RequestFields.parse(line));
    assertTrue(
        problem.getMessage().contains("expected UTF-8 text, found byte 0xE9 at offset 11"),
        problem.getMessage());
  }

  @Test
  void moreAnswersThanALineMayHaveAreRefused() {
    RequestProblem problem =
        assertThrows(
            RequestProblem.class, () -> completion("{\"prompt\":[\"a\",\"b\"],\"n\":100}"));
    assertEquals(
        "prompt, n: expected at most 128 answers to a request, found 2 prompts × 100; make more"
            + " requests",
        problem.getMessage());
  }

  private static ServedModel withoutTemplate() {
    return RecordCopy.with(FakeBatch.MODEL, "template", Optional.empty());
  }

  private static ParsedRequest parse(ServedModel model, String line) {
    return new BatchParser(new RequestParser(model))
        .parse(BatchEnvelope.of(RequestFields.parse(line.getBytes(StandardCharsets.UTF_8))));
  }

  private static String hello(String more) {
    return "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" + more + "}";
  }

  @Test
  void aConversationWithoutATemplateIsRefused() {
    RequestProblem problem =
        assertThrows(RequestProblem.class, () -> parse(withoutTemplate(), hello("")));
    assertTrue(problem.getMessage().contains("--chat-template"), problem.getMessage());
  }

  @Test
  void whereAConversationIsATextThatGoesOnWhatNoTextHasIsNamed() {
    ServedModel model = withoutTemplate().continuing();
    String text = prompts(parse(model, hello(""))).getFirst();
    assertEquals(
        List.of(text), prompts(parse(model, hello(",\"reasoning_effort\":\"high\""))), "no matter");
    Map<String, String> refused =
        Map.of(
            ",\"tools\":[{\"name\":\"f\"}]",
            "tools: this model has no chat template",
            ",\"chat_template_kwargs\":{\"thinking\":true}",
            "chat_template_kwargs: this model has no chat template",
            ",\"reasoning_effort\":\"high\",\"chat_template_kwargs\":{\"style\":1}",
            "chat_template_kwargs: this model has no chat template");
    refused.forEach(
        (more, said) -> {
          var e = assertThrows(RequestProblem.class, () -> parse(model, hello(more)));
          assertTrue(e.getMessage().startsWith(said), e.getMessage());
        });
  }
}
