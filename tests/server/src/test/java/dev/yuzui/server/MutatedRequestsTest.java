package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.server.RunningServer.Reply;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Requests with something wrong in them: refused by name or answered, never the server's fault. */
class MutatedRequestsTest {
  private static final List<String> PIECES =
      List.of(
          "null",
          "true",
          "-1",
          "0",
          "1e999",
          "\"\"",
          "[]",
          "{}",
          "\"\\ud800\"",
          "99999999999",
          "0.5",
          "[[[[]]]]",
          "{\"type\":\"object\"}",
          "\"auto\"",
          "\"required\"",
          "\"none\"",
          ",",
          "}",
          "]",
          "\"<｜User｜>\"",
          "\"\\u0000\"",
          "[null]",
          "{\"a\":{\"a\":{}}}",
          "-2147483648",
          "\"user\"");

  private static final List<String[]> SEEDS =
      List.of(
          new String[] {
            "/v1/chat/completions",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\","
                + "\"content\":[{\"type\":\"text\",\"text\":\"b\"}]}],\"max_tokens\":3,\"temperature\":0.5,"
                + "\"top_p\":0.9,\"n\":2,\"stop\":[\"x\"],\"logit_bias\":{\"5\":-1},\"seed\":3,"
                + "\"logprobs\":true,\"top_logprobs\":2,\"stream\":false}"
          },
          new String[] {
            "/v1/chat/completions",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":null,"
                + "\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                + "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}],"
                + "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
                + "\"object\",\"properties\":{\"x\":{\"type\":\"integer\"}}}}}],\"tool_choice\":\"auto\","
                + "\"max_tokens\":3,\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
          },
          new String[] {
            "/v1/chat/completions",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}],\"max_tokens\":3,\"response_format\":{"
                + "\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"array\","
                + "\"items\":{\"enum\":[1,2]},\"maxItems\":2}}},\"chat_template_kwargs\":{\"thinking\":true}}"
          },
          new String[] {
            "/v1/completions",
            "{\"prompt\":[\"a\",\"b\"],\"max_tokens\":3,\"logprobs\":1,\"n\":1,\"stream\":true}"
          },
          new String[] {"/v1/completions", "{\"prompt\":[1,2,3],\"max_tokens\":2}"},
          new String[] {
            "/v1/responses",
            "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]},{\"type\":"
                + "\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
                + "\"function_call_output\",\"call_id\":\"c\",\"output\":\"r\"}],\"max_output_tokens\":3,"
                + "\"text\":{\"format\":{\"type\":\"text\"}},\"reasoning\":{\"effort\":\"low\"}}"
          },
          new String[] {
            "/v1/messages",
            "{\"max_tokens\":3,\"system\":[{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{\"role\":\"user\","
                + "\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
                + "\"t\"},{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
                + "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":\"r\"}]}],"
                + "\"stop_sequences\":[\"x\"],\"stream\":true}"
          },
          new String[] {
            "/api/chat",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"options\":{\"num_predict\":3,\"stop\":"
                + "[\"x\"]},\"format\":\"json\",\"think\":false}"
          },
          new String[] {
            "/api/generate", "{\"prompt\":\"a\",\"options\":{\"num_predict\":3},\"stream\":false}"
          },
          new String[] {"/tokenize", "{\"content\":\"a b\",\"with_pieces\":true}"},
          new String[] {"/detokenize", "{\"tokens\":[1,2,3]}"},
          new String[] {
            "/apply-template", "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
          });

  private static RunningServer server;

  @BeforeAll
  static void open() {
    server = RunningServer.open();
  }

  @AfterAll
  static void close() {
    server.close();
  }

  /** A token of JSON in another's place, a letter lost, doubled or changed, an end cut off. */
  private static byte[] mutated(String body, Random random) {
    StringBuilder text = new StringBuilder(body);
    for (int i = 0; i <= random.nextInt(2); i++) {
      int at = random.nextInt(text.length());
      switch (random.nextInt(6)) {
        case 0 -> text.setCharAt(at, (char) (32 + random.nextInt(95)));
        case 1 -> text.deleteCharAt(at);
        case 2 -> text.insert(at, text.charAt(at));
        case 3 -> text.setLength(Math.max(1, at));
        default -> {
          int value = text.indexOf(":", at);
          int end = value;
          while (end >= 0 && end < text.length() && ",}]".indexOf(text.charAt(end)) < 0) {
            end++;
          }
          if (value >= 0) {
            text.replace(value + 1, end, PIECES.get(random.nextInt(PIECES.size())));
          }
        }
      }
      if (text.isEmpty()) {
        return new byte[] {'{'};
      }
    }
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    if (random.nextInt(20) == 0) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    }
    return bytes;
  }

  private static void ask(int times, long seed) throws InterruptedException {
    Random random = new Random(seed);
    int answered = 0;
    for (int i = 0; i < times; i++) {
      String[] of = SEEDS.get(random.nextInt(SEEDS.size()));
      byte[] body = mutated(of[1], random);
      Reply reply =
          server.send(
              HttpRequest.newBuilder(server.uri(of[0]))
                  .header("Content-Type", "application/json")
                  .timeout(Duration.ofSeconds(30))
                  .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                  .build());
      String what = of[0] + " " + new String(body, StandardCharsets.UTF_8) + " → " + reply.body();
      assertTrue(reply.status() < 500, what);
      assertTrue(reply.status() == 200 || !reply.body().isEmpty(), what);
      answered += reply.status() == 200 ? 1 : 0;
    }
    assertTrue(answered > times / 20, "most were so wrong that nothing was tried: " + answered);
    assertTrue(server.quietWithin(Duration.ofSeconds(1)));
    assertEquals(200, server.get("/health").status());
  }

  @Test
  void aThousandAreRefusedOrAnswered() throws InterruptedException {
    ask(1000, 11);
  }

  @Test
  @Tag("long")
  void tenThousandAreRefusedOrAnswered() throws InterruptedException {
    ask(10_000, 12);
  }
}
