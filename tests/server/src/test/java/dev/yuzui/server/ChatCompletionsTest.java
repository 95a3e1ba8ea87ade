package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.server.RunningServer.Reply;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** OpenAI's chat completions and completions, whole and streamed. */
class ChatCompletionsTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String TOOLS =
      """
      "tools":[{"type":"function","function":{"name":"roll","parameters":{"type":"object",
      "properties":{"dice":{"type":"integer","minimum":1,"maximum":6}},"required":["dice"]}}}]\
      """;

  private static RunningServer server;

  @BeforeAll
  static void open() {
    server = RunningServer.open();
  }

  @AfterAll
  static void close() {
    server.close();
  }

  private static String chat(String more) {
    return "{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],"
        + "\"max_tokens\":12,\"seed\":7"
        + (more.isEmpty() ? "" : ",")
        + more
        + "}";
  }

  private static String content(List<JsonNode> chunks, int choice, String field) {
    StringBuilder text = new StringBuilder();
    for (JsonNode chunk : chunks) {
      for (JsonNode c : chunk.path("choices")) {
        if (c.path("index").asInt() == choice) {
          text.append(c.path("delta").path(field).asText(""));
        }
      }
    }
    return text.toString();
  }

  @Test
  void aWholeAnswerHasOpenAisShape() {
    Reply reply = server.post(CHAT, chat(""));
    assertEquals(200, reply.status(), reply.body());
    JsonNode body = reply.json();
    assertEquals("chat.completion", body.path("object").asText());
    assertTrue(body.path("id").asText().startsWith("chatcmpl-"));
    assertEquals("demo", body.path("model").asText());
    JsonNode choice = body.at("/choices/0");
    assertEquals("assistant", choice.at("/message/role").asText());
    assertFalse(choice.at("/message/content").asText().isEmpty());
    assertEquals("length", choice.path("finish_reason").asText());
    assertEquals(12, body.at("/usage/completion_tokens").asInt());
    assertEquals(
        body.at("/usage/prompt_tokens").asInt() + 12, body.at("/usage/total_tokens").asInt());
    assertTrue(body.at("/timings/predicted_per_second").asDouble() > 0);
  }

  @Test
  void aStreamSaysTheSameInOpenAisOrder() {
    String whole = server.post(CHAT, chat("")).json().at("/choices/0/message/content").asText();
    Reply reply =
        server.post(CHAT, chat("\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
    assertTrue(reply.header("content-type").startsWith("text/event-stream"));
    List<JsonNode> chunks = reply.events();
    assertEquals(whole, content(chunks, 0, "content"));
    assertEquals("assistant", chunks.getFirst().at("/choices/0/delta/role").asText());
    assertTrue(chunks.getFirst().get("usage").isNull());
    JsonNode last = chunks.getLast();
    assertEquals(0, last.path("choices").size());
    assertEquals(12, last.at("/usage/completion_tokens").asInt());
    JsonNode ending = chunks.get(chunks.size() - 2);
    assertEquals("length", ending.at("/choices/0/finish_reason").asText());
    assertEquals(1, chunks.stream().map(c -> c.path("id").asText()).distinct().count());
    assertTrue(reply.body().endsWith("data: [DONE]\n\n"));
  }

  @Test
  void withoutIncludeUsageNoChunkHasAny() {
    Reply reply = server.post(CHAT, chat("\"stream\":true"));
    assertTrue(reply.events().stream().noneMatch(c -> c.has("usage")));
    assertTrue(reply.events().stream().allMatch(c -> c.path("choices").size() == 1));
  }

  @Test
  void severalAnswersAreChoices() {
    JsonNode body = server.post(CHAT, chat("\"n\":3,\"temperature\":1.5")).json();
    List<String> texts = new ArrayList<>();
    body.path("choices").forEach(c -> texts.add(c.at("/message/content").asText()));
    assertEquals(3, texts.stream().distinct().count());
    assertEquals(36, body.at("/usage/completion_tokens").asInt());
    List<JsonNode> chunks =
        server.post(CHAT, chat("\"n\":3,\"temperature\":1.5,\"stream\":true")).events();
    for (int i = 0; i < 3; i++) {
      assertEquals(texts.get(i), content(chunks, i, "content"));
    }
  }

  @Test
  void probabilitiesComeWithTheirText() {
    String asked = "\"logprobs\":true,\"top_logprobs\":2";
    JsonNode whole = server.post(CHAT, chat(asked)).json().at("/choices/0/logprobs/content");
    assertEquals(12, whole.size());
    assertEquals(2, whole.get(0).path("top_logprobs").size());
    List<JsonNode> streamed = new ArrayList<>();
    for (JsonNode chunk : server.post(CHAT, chat(asked + ",\"stream\":true")).events()) {
      chunk.at("/choices/0/logprobs/content").forEach(streamed::add);
    }
    assertEquals(StreamSupport.stream(whole.spliterator(), false).toList(), streamed);
  }

  @Test
  void aStopTextIsNotPartOfTheAnswer() {
    JsonNode body =
        server
            .post(
                CHAT, chat("\"stop\":[\",\"],\"max_tokens\":60").replace("\"max_tokens\":12,", ""))
            .json();
    assertFalse(body.at("/choices/0/message/content").asText().contains(","));
    assertEquals("stop", body.at("/choices/0/finish_reason").asText());
  }

  @Test
  void aRequiredToolIsCalled() {
    String asked = TOOLS + ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false";
    String request = chat(asked).replace("\"max_tokens\":12", "\"max_tokens\":300");
    server.post(CHAT, request); // what follows finds the prompt read: a seed's draws turn on that
    JsonNode body = server.post(CHAT, request).json();
    JsonNode call = body.at("/choices/0/message/tool_calls/0");
    assertEquals("roll", call.at("/function/name").asText(), body.toString());
    assertTrue(call.at("/function/arguments").asText().contains("\"dice\""));
    assertEquals("tool_calls", body.at("/choices/0/finish_reason").asText());
    assertTrue(body.at("/choices/0/message/content").isNull());

    List<JsonNode> calls = new ArrayList<>();
    Reply stream = server.post(CHAT, request.replace("\"seed\":7", "\"seed\":7,\"stream\":true"));
    stream.events().forEach(c -> c.at("/choices/0/delta/tool_calls").forEach(calls::add));
    assertEquals("roll", calls.getFirst().at("/function/name").asText());
    assertFalse(calls.getFirst().path("id").asText().isEmpty());
    StringBuilder arguments = new StringBuilder();
    for (JsonNode each : calls) {
      arguments.append(each.at("/function/arguments").asText());
    }
    assertEquals(call.at("/function/arguments").asText(), arguments.toString());
    assertTrue(calls.stream().skip(1).noneMatch(c -> c.has("id")), "id and name once");
  }

  @Test
  void aSchemaHoldsTheAnswer() {
    String schema =
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":"
            + "{\"enum\":[\"wolf\",\"fox\"]}}}";
    String text = server.post(CHAT, chat(schema)).json().at("/choices/0/message/content").asText();
    assertTrue(text.matches("\"(wolf|fox)\""), text);
  }

  @Test
  void thoughtsAreToldApart() {
    String asked = "\"chat_template_kwargs\":{\"thinking\":true}";
    JsonNode message = server.post(CHAT, chat(asked)).json().at("/choices/0/message");
    assertFalse(message.path("reasoning_content").asText().isEmpty());
    assertEquals("", message.path("content").asText());
    List<JsonNode> chunks = server.post(CHAT, chat(asked + ",\"stream\":true")).events();
    assertEquals(
        message.path("reasoning_content").asText(), content(chunks, 0, "reasoning_content"));
  }

  @Test
  void theReadingOfAPromptIsToldWhereItIsAskedFor() {
    Reply reply = server.post(CHAT, chat("\"stream\":true,\"return_progress\":true"));
    JsonNode first = reply.events().getFirst();
    assertTrue(first.at("/prompt_progress/total").asInt() > 0, reply.body());
  }

  @Test
  void whatAnEarlierRequestReadIsFound() {
    String words = "The king had three sons and a horse. ".repeat(30);
    String request =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"" + words + "\"}],\"max_tokens\":1}";
    server.post(CHAT, request);
    JsonNode usage = server.post(CHAT, request).json().path("usage");
    assertTrue(usage.at("/prompt_tokens_details/cached_tokens").asInt() >= 64, usage.toString());
  }

  @Test
  void completionsGoOnWithTextsAndIds() {
    JsonNode body =
        server
            .post(
                "/v1/completions",
                "{\"prompt\":[\"Once upon\",\"The\"],\"n\":2,\"max_tokens\":4,\"seed\":1}")
            .json();
    assertEquals("text_completion", body.path("object").asText());
    assertEquals(4, body.path("choices").size());
    JsonNode ids = server.post("/v1/completions", "{\"prompt\":[5,6],\"max_tokens\":3}").json();
    assertEquals(3, ids.at("/choices/0/token_ids").size());
    Reply stream =
        server.post("/v1/completions", "{\"prompt\":\"The\",\"max_tokens\":4,\"stream\":true}");
    assertEquals("length", stream.events().getLast().at("/choices/0/finish_reason").asText());
  }

  @Test
  void offsetsOfACompletionGoOnInAStream() {
    String asked = "{\"prompt\":\"The\",\"max_tokens\":6,\"logprobs\":1,\"top_k\":1,\"n\":2}";
    JsonNode whole = server.post("/v1/completions", asked).json();
    List<JsonNode> chunks =
        server.post("/v1/completions", asked.replace("{\"p", "{\"stream\":true,\"p")).events();
    for (JsonNode choice : whole.path("choices")) {
      List<JsonNode> streamed = new ArrayList<>();
      for (JsonNode chunk : chunks) {
        if (chunk.at("/choices/0/index").equals(choice.path("index"))) {
          chunk.at("/choices/0/logprobs/text_offset").forEach(streamed::add);
        }
      }
      JsonNode offsets = choice.at("/logprobs/text_offset");
      assertTrue(offsets.get(5).asInt() > 0, offsets.toString());
      assertEquals(StreamSupport.stream(offsets.spliterator(), false).toList(), streamed);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      value = {
        "{\"messages\":[] @ 400 @ invalid_json @ null",
        "[] @ 400 @ invalid_json @ null",
        "{} @ 400 @ invalid_request @ messages",
        "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]} @ 400 @ invalid_request @ messages",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]} @ 400 @ invalid_request @ messages",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":\"hot\"} @ 400 @ invalid_request @ temperature",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":1000} @ 400 @ invalid_request @ n",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":100} @ 400 @ invalid_request @ n",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"top_logprobs\":50} @ 400 @ invalid_request @ top_logprobs",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream_options\":{}} @ 400 @ invalid_request @ stream_options",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"spellchekc\":1} @ 400 @ invalid_request @ spellchekc",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"strong\"}}}} @ 400 @ invalid_request @ null",
      })
  void whatCannotBeDoneIsRefusedInOpenAisForm(String body, int status, String code, String param) {
    Reply reply = server.post(CHAT, body);
    assertEquals(status, reply.status(), reply.body());
    JsonNode error = reply.json().path("error");
    assertEquals(code, error.path("code").asText(), reply.body());
    assertEquals(param, error.path("param").asText(), reply.body());
    assertEquals("invalid_request_error", error.path("type").asText());
  }

  @Test
  void aPromptLongerThanTheContextIsNamedSo() {
    String words = "The king had three sons. ".repeat(600);
    Reply reply =
        server.post(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"" + words + "\"}]}");
    assertEquals(400, reply.status());
    assertEquals("context_length_exceeded", reply.json().at("/error/code").asText());
    assertEquals("messages", reply.json().at("/error/param").asText());
    for (String field : List.of("prompt", "input")) {
      String path = field.equals("input") ? "/v1/responses" : "/v1/completions";
      Reply other = server.post(path, "{\"" + field + "\":\"" + words + "\"}");
      assertEquals("context_length_exceeded", other.json().at("/error/code").asText());
      assertEquals(field, other.json().at("/error/param").asText());
    }
  }

  @Test
  void aGrammarThatIsWrongIsAnErrorBeforeAStreamBegins() {
    Reply reply = server.post(CHAT, chat("\"stream\":true,\"guided_regex\":\"(a\""));
    assertEquals(400, reply.status(), reply.body());
    assertTrue(reply.json().at("/error/message").asText().contains("guided_regex"), reply.body());
  }
}
