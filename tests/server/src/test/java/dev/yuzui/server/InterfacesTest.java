package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.server.RunningServer.Reply;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Anthropic's interface, ollama's, and what the server says of itself. */
class InterfacesTest {
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

  // ---- Anthropic ----

  private static String message(String more) {
    return "{\"model\":\"m\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":"
        + "[{\"type\":\"text\",\"text\":\"Once upon a time\"}]}]"
        + more
        + "}";
  }

  @Test
  void aMessageHasAnthropicsShape() {
    JsonNode body = server.post("/v1/messages", message("")).json();
    assertEquals("message", body.path("type").asText(), body.toString());
    assertEquals("text", body.at("/content/0/type").asText());
    assertEquals("max_tokens", body.path("stop_reason").asText());
    assertEquals(10, body.at("/usage/output_tokens").asInt());
  }

  @Test
  void aStreamedMessageOpensGrowsAndCloses() {
    Reply reply = server.post("/v1/messages", message(",\"stream\":true,\"top_k\":1"));
    List<String> types = reply.types();
    assertEquals("message_start", types.getFirst());
    assertEquals("content_block_start", types.get(1));
    assertEquals(
        List.of("content_block_stop", "message_delta", "message_stop"),
        types.subList(types.size() - 3, types.size()));
    String whole =
        server.post("/v1/messages", message(",\"top_k\":1")).json().at("/content/0/text").asText();
    assertEquals(whole, reply.joined("content_block_delta", "/delta/text"));
    assertTrue(reply.body().startsWith("event: message_start\n"));
  }

  @Test
  void aStopSequenceIsNamed() {
    String asked = message(",\"stop_sequences\":[\",\",\"the\"]").replace(":10,", ":90,");
    JsonNode body = server.post("/v1/messages", asked).json();
    assertEquals("stop_sequence", body.path("stop_reason").asText(), body.toString());
    assertTrue(List.of(",", "the").contains(body.path("stop_sequence").asText()));
  }

  @Test
  void aStopSequenceWithinACallMakesItNone() {
    String asked =
        message(
                ",\"stop_sequences\":[\"dice\"],\"tools\":[{\"name\":\"roll\",\"input_schema\":"
                    + ROLL
                    + "}],\"tool_choice\":{\"type\":\"any\"}")
            .replace(":10,", ":300,");
    JsonNode whole = server.post("/v1/messages", asked).json();
    assertEquals("stop_sequence", whole.path("stop_reason").asText(), whole.toString());
    JsonNode last = server.streamed("/v1/messages", asked).events().reversed().get(1);
    assertEquals("stop_sequence", last.at("/delta/stop_reason").asText(), last.toString());
  }

  @Test
  void aToolIsUsedAndItsResultGoesBack() {
    String tools =
        ",\"tools\":[{\"name\":\"roll\",\"input_schema\":"
            + ROLL
            + "}],\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}";
    String asked = message(tools).replace(":10,", ":300,");
    JsonNode body = server.post("/v1/messages", asked).json();
    assertEquals("tool_use", body.path("stop_reason").asText(), body.toString());
    JsonNode use = body.path("content").get(body.path("content").size() - 1);
    int dice = use.at("/input/dice").asInt();
    assertTrue(dice >= 1 && dice <= 6, body.toString());
    Reply stream = server.post("/v1/messages", asked.replace("\"m\"", "\"m\",\"stream\":true"));
    String json = stream.joined("content_block_delta", "/delta/partial_json");
    assertTrue(json.contains("\"dice\""), stream.body());

    String next =
        "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"go\"},"
            + "{\"role\":\"assistant\",\"content\":["
            + use
            + "]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\""
            + use.path("id").asText()
            + "\",\"content\":\"six\"}]}]}";
    assertEquals(200, server.post("/v1/messages", next).status());
  }

  @Test
  void tokensAreCountedAndErrorsHaveAnthropicsForm() {
    JsonNode count =
        server
            .post(
                "/v1/messages/count_tokens",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]}")
            .json();
    assertTrue(count.path("input_tokens").asInt() > 2);
    Reply refused =
        server.post("/v1/messages", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assertEquals(400, refused.status());
    assertEquals("error", refused.json().path("type").asText());
    assertEquals("invalid_request_error", refused.json().at("/error/type").asText());
    Reply image =
        server.post(
            "/v1/messages",
            "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}");
    assertEquals(400, image.status());
    assertTrue(image.json().at("/error/message").asText().contains("sees nothing else"));
  }

  @Test
  void whatIsCountedMayBeLongerThanTheContext() {
    String chat =
        "{\"messages\":[{\"role\":\"user\",\"content\":\""
            + "The king had three sons. ".repeat(600)
            + "\"}]}";
    JsonNode count = server.post("/v1/messages/count_tokens", chat).json();
    assertTrue(count.path("input_tokens").asInt() > 2048, count.toString());
    JsonNode tokens = server.post("/tokenize", chat).json();
    assertEquals(count.path("input_tokens"), tokens.path("count"));
    assertTrue(server.post("/apply-template", chat).json().path("prompt").asText().length() > 9000);
  }

  // ---- of all ----

  @Test
  void whatIsWrongIsSaidInTheWordsOfWhoAsked() {
    String user = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
    for (String[] asked :
        List.of(
            new String[] {
              "/v1/responses", "{\"input\":\"x\",\"max_output_tokens\":0}", "max_output_tokens"
            },
            new String[] {
              "/v1/responses",
              "{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"odd\"}}}",
              "text.format"
            },
            new String[] {
              "/v1/responses",
              "{\"input\":\"x\",\"reasoning\":{\"effort\":\"odd\"}}",
              "reasoning.effort"
            },
            new String[] {"/v1/responses", "{\"input\":\"x\",\"top_logprobs\":5}", "top_logprobs"},
            new String[] {
              "/tokenize", "{\"add_generation_prompt\":false," + user + "}", "add_generation_prompt"
            },
            new String[] {
              "/v1/messages",
              "{\"max_tokens\":1,\"stop_sequences\":[\"\"]," + user + "}",
              "stop_sequences"
            },
            new String[] {
              "/api/chat",
              "{\"options\":{\"repeat_penalty\":0}," + user + "}",
              "options.repeat_penalty"
            },
            new String[] {
              "/api/chat", "{\"options\":{\"num_predict\":1.5}," + user + "}", "options.num_predict"
            })) {
      Reply reply = server.post(asked[0], asked[1]);
      JsonNode error = reply.json().path("error");
      String message = error.isTextual() ? error.asText() : error.path("message").asText();
      assertEquals(400, reply.status(), reply.body());
      assertTrue(message.startsWith(asked[2] + ":"), message);
      assertTrue(!error.has("param") || error.path("param").asText().equals(asked[2]), message);
    }
  }

  // ---- ollama ----

  @Test
  void ollamaStreamsLinesUnlessToldNotTo() {
    String asked =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"options\":"
            + "{\"num_predict\":5,\"top_k\":1}}";
    Reply reply = server.post("/api/chat", asked);
    assertTrue(reply.header("content-type").startsWith("application/x-ndjson"));
    StringBuilder text = new StringBuilder();
    List<JsonNode> lines = new ArrayList<>();
    for (String line : reply.body().split("\n")) {
      lines.add(new Reply(200, line, reply.headers()).json());
      text.append(lines.getLast().at("/message/content").asText());
    }
    assertTrue(lines.getLast().path("done").asBoolean());
    assertEquals("length", lines.getLast().path("done_reason").asText());
    assertEquals(5, lines.getLast().path("eval_count").asInt());
    JsonNode whole =
        server.post("/api/chat", asked.replace("{\"model", "{\"stream\":false,\"model")).json();
    assertEquals(text.toString(), whole.at("/message/content").asText());
  }

  @Test
  void ollamaGeneratesListsAndCallsTools() {
    JsonNode made =
        server
            .post(
                "/api/generate",
                "{\"prompt\":\"The\",\"stream\":false,\"options\":{\"num_predict\":4},\"format\":{\"enum\":[\"ox\"]}}")
            .json();
    assertEquals("\"ox\"", made.path("response").asText(), made.toString());
    assertEquals("demo", server.get("/api/tags").json().at("/models/0/name").asText());
    Reply odd = server.post("/api/generate", "{\"prompt\":\"x\",\"options\":{\"mirostat\":1}}");
    assertEquals(400, odd.status());
    assertTrue(odd.json().path("error").asText().contains("mirostat"));
  }

  @Test
  void ollamasFieldsHaveTypes() {
    for (String[] asked :
        List.of(
            new String[] {"{\"prompt\":[\"a\"]}", "prompt"},
            new String[] {"{\"prompt\":\"a\",\"options\":[1]}", "options"},
            new String[] {
              "{\"prompt\":\"a\",\"options\":{\"num_predict\":\"x\"}}", "options.num_predict"
            },
            new String[] {"{\"prompt\":\"a\",\"format\":[]}", "format"},
            new String[] {"{\"prompt\":\"a\",\"format\":true}", "format"},
            new String[] {"{\"prompt\":\"a\",\"think\":[]}", "think"})) {
      Reply reply = server.post("/api/generate", asked[0]);
      assertEquals(400, reply.status(), asked[0] + reply.body());
      assertTrue(reply.json().path("error").asText().startsWith(asked[1] + ":"), reply.body());
    }
    String raw = "{\"prompt\":\"a\",\"raw\":true,\"think\":false,\"format\":\"\",\"stream\":false,";
    Reply reply = server.post("/api/generate", raw + "\"options\":{\"num_predict\":2}}");
    assertEquals(200, reply.status(), reply.body());
    assertEquals(2, reply.json().path("eval_count").asInt());
  }

  // ---- of itself ----

  @Test
  void tokensGoThereAndBack() {
    JsonNode tokens =
        server.post("/tokenize", "{\"content\":\"Once upon a time\"}").json().path("tokens");
    JsonNode text = server.post("/detokenize", "{\"tokens\":" + tokens + "}").json();
    assertEquals("Once upon a time", text.path("content").asText());
    JsonNode prompt =
        server
            .post(
                "/apply-template",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"add_generation_prompt\":true,"
                    + "\"continue_final_message\":false}")
            .json();
    assertEquals("hi", prompt.path("prompt").asText());
    assertEquals(400, server.post("/detokenize", "{\"tokens\":[99999]}").status());
  }

  @Test
  void itSaysWhatItIs() {
    assertEquals("ok", server.get("/health").json().path("status").asText());
    assertEquals("demo", server.get("/v1/models").json().at("/data/0/id").asText());
    assertEquals(RunningServer.SEQUENCES, server.get("/props").json().path("total_slots").asInt());
    assertEquals(RunningServer.SEQUENCES, server.get("/slots").json().size());
    assertEquals(
        "test",
        server.get("/props").json().path("chat_template").asText(),
        "the one in use, not the model's own");
  }

  @Test
  void countersHaveVllmsNames() {
    server.post("/v1/completions", "{\"prompt\":\"The\",\"max_tokens\":4}");
    String text = server.get("/metrics").body();
    for (String name :
        List.of(
            "vllm:num_requests_running{model_name=\"demo\"}",
            "vllm:num_requests_waiting{",
            "vllm:kv_cache_usage_perc{",
            "vllm:prompt_tokens_total{",
            "vllm:generation_tokens_total{",
            "vllm:num_preemptions_total{",
            "vllm:prefix_cache_queries_total{",
            "vllm:prefix_cache_hits_total{",
            "vllm:spec_decode_num_draft_tokens_total{",
            "vllm:time_to_first_token_seconds_bucket{model_name=\"demo\",le=\"0.005\"}",
            "vllm:inter_token_latency_seconds_count{",
            "vllm:e2e_request_latency_seconds_sum{",
            "vllm:request_queue_time_seconds_bucket{",
            "vllm:request_prefill_time_seconds_bucket{",
            "vllm:request_decode_time_seconds_bucket{",
            "vllm:request_success_total{finished_reason=\"length\",model_name=\"demo\"}",
            "vllm:cache_config_info{block_size=\"64\"")) {
      assertTrue(text.contains(name), name + " in\n" + text);
    }
    assertFalse(text.contains("Once upon"), "no text of anybody's");
  }
}
