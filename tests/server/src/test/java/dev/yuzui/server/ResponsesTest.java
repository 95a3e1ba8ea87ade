package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.server.RunningServer.Reply;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** OpenAI's responses. */
class ResponsesTest {
  private static final String ROLL =
      """
      {"type":"object","properties":{"dice":{"type":"integer","minimum":1,"maximum":6}},
       "required":["dice"]}\
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

  @Test
  void aResponseHasItemsAndSaysWhyItIsIncomplete() {
    JsonNode body =
        server
            .post(
                "/v1/responses",
                "{\"model\":\"m\",\"max_output_tokens\":6,\"input\":\"Once upon\",\"instructions\":\"Tell\"}")
            .json();
    assertEquals("response", body.path("object").asText(), body.toString());
    assertEquals("incomplete", body.path("status").asText());
    assertEquals("max_output_tokens", body.at("/incomplete_details/reason").asText());
    assertEquals("output_text", body.at("/output/0/content/0/type").asText());
    assertEquals(6, body.at("/usage/output_tokens").asInt());
  }

  @Test
  void aStreamedResponseIsNumberedAndCloses() {
    String asked =
        "{\"max_output_tokens\":6,\"top_p\":0.0001,\"input\":[{\"role\":\"user\",\"content\":"
            + "[{\"type\":\"input_text\",\"text\":\"Once\"}]}]}";
    Reply reply = server.post("/v1/responses", asked.replace("{\"max", "{\"stream\":true,\"max"));
    List<String> types = reply.types();
    assertEquals(
        List.of(
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta"),
        types.subList(0, 5));
    assertEquals("response.incomplete", types.getLast());
    List<Integer> numbers = new ArrayList<>();
    reply.events().forEach(e -> numbers.add(e.path("sequence_number").asInt()));
    for (int i = 0; i < numbers.size(); i++) {
      assertEquals(i, numbers.get(i));
    }
    String whole =
        server.post("/v1/responses", asked).json().at("/output/0/content/0/text").asText();
    assertEquals(whole, reply.joined("response.output_text.delta", "/delta"));
    assertEquals(whole, reply.events().getLast().at("/response/output/0/content/0/text").asText());
  }

  /** Item ids aside, which are by chance. */
  private static List<JsonNode> items(JsonNode response) {
    List<JsonNode> items = new ArrayList<>();
    response.path("output").forEach(item -> items.add(((ObjectNode) item).without("id")));
    return items;
  }

  @Test
  void whatIsThoughtIsAnItemOfAResponseWithAPart() {
    String asked =
        "{\"max_output_tokens\":6,\"top_p\":0.0001,\"input\":\"Once\",\"reasoning\":{\"effort\":\"low\"}}";
    Reply reply = server.streamed("/v1/responses", asked);
    List<String> types = reply.types();
    assertEquals(
        List.of(
            "response.output_item.added",
            "response.content_part.added",
            "response.reasoning_text.delta"),
        types.subList(2, 5));
    assertEquals(
        List.of(
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete"),
        types.subList(types.size() - 4, types.size()));
    JsonNode part = reply.events().get(types.indexOf("response.content_part.done")).path("part");
    assertEquals("reasoning_text", part.path("type").asText());
    assertEquals(
        reply.joined("response.reasoning_text.delta", "/delta"), part.path("text").asText());
    JsonNode whole = server.post("/v1/responses", asked).json();
    assertEquals("incomplete", whole.at("/output/0/status").asText(), whole.toString());
    assertEquals(items(whole), items(reply.events().getLast().path("response")));
  }

  @Test
  void whatAResponseWasCutInIsIncompleteStreamedOrNot() {
    String call =
        "{\"input\":\"Roll\",\"top_p\":0.0001,\"max_output_tokens\":24,\"tools\":[{\"type\":\"function\",\"name\":\"roll\",\"parameters\":"
            + ROLL
            + "}],\"tool_choice\":\"required\"}";
    String text = "{\"input\":\"Once\",\"top_p\":0.0001,\"max_output_tokens\":4}";
    for (String asked : List.of(call, text)) {
      List<JsonNode> whole = items(server.post("/v1/responses", asked).json());
      assertEquals("incomplete", whole.getLast().path("status").asText(), whole.toString());
      Reply reply = server.streamed("/v1/responses", asked);
      assertEquals(whole, items(reply.events().getLast().path("response")));
    }
  }

  @Test
  void aFunctionIsCalledAndItsOutputGoesBack() {
    String tools =
        "\"tools\":[{\"type\":\"function\",\"name\":\"roll\",\"parameters\":"
            + ROLL
            + "}],\"tool_choice\":\"required\"";
    JsonNode body = server.post("/v1/responses", "{\"input\":\"Roll\",\"seed\":1}").json();
    assertTrue(body.at("/error/message").asText().contains("seed"), "there is no seed there");
    body =
        server
            .post(
                "/v1/responses",
                "{\"input\":\"Roll\",\"max_output_tokens\":300,\"parallel_tool_calls\":false,"
                    + tools
                    + "}")
            .json();
    JsonNode call = body.path("output").get(body.path("output").size() - 1);
    assertEquals("function_call", call.path("type").asText(), body.toString());
    Reply next =
        server.post(
            "/v1/responses",
            "{\"max_output_tokens\":3,\"input\":[{\"role\":\"user\",\"content\":\"Roll\"},"
                + call
                + ",{\"type\":\"function_call_output\",\"call_id\":\""
                + call.path("call_id").asText()
                + "\",\"output\":\"6\"}]}");
    assertEquals(200, next.status(), next.body());
    Reply kept =
        server.post("/v1/responses", "{\"input\":\"x\",\"previous_response_id\":\"resp_1\"}");
    assertTrue(kept.json().at("/error/message").asText().contains("keeps no responses"));
  }
}
