package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Texts and their ids as Hugging Face's library makes them, messages and their prompts as Python's
 * Jinja makes them of the published templates: the vectors of tests/reference.
 */
class ReferenceVectorsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path DEMO = Path.of(System.getProperty("yuzui.root"), "seeds/demo.gguf");
  private static final Tokenizer R1 =
      Tokenizer.of(
          Checkpoints.vocabulary(Shared.COMMITTED.resolve("tokenizers/deepseek-v3-apidocs-r1")));
  private static final Tokenizer OF_DEMO = Tokenizer.of(Checkpoints.vocabulary(DEMO));

  private static List<JsonNode> vectors(String name) {
    try {
      JsonNode all = JSON.readTree(Shared.COMMITTED.resolve(name).toFile());
      return StreamSupport.stream(all.spliterator(), false).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static List<JsonNode> r1() {
    return vectors("tokenizers/test-vectors.deepseek-r1.json");
  }

  static List<JsonNode> demo() {
    return vectors("tokenizers/test-vectors.demo.json");
  }

  static List<JsonNode> prompts() {
    return vectors("prompts.json");
  }

  static Stream<JsonNode> promptsWithIds() {
    return prompts().stream().filter(p -> p.has("ids"));
  }

  @ParameterizedTest
  @MethodSource("r1")
  void aTextHasTheIdsOfThePublishedVocabulary(JsonNode vector) {
    check(vector, R1);
  }

  @ParameterizedTest
  @MethodSource("demo")
  void aTextHasItsIdsInAGgufsVocabulary(JsonNode vector) {
    check(vector, OF_DEMO);
  }

  private static void check(JsonNode vector, Tokenizer tokenizer) {
    int[] ids = ints(vector.get("ids"));
    assertArrayEquals(ids, tokenizer.encode(vector.get("text").asText(), false));
    assertEquals(vector.get("decoded").asText(), tokenizer.decode(ids, false));
    List<String> pieces = new ArrayList<>();
    vector.get("tokens").forEach(t -> pieces.add(t.asText()));
    assertEquals(pieces, Arrays.stream(ids).mapToObj(tokenizer::piece).toList());
  }

  @ParameterizedTest
  @MethodSource("prompts")
  void messagesBecomeThePromptOfThePublishedTemplate(JsonNode vector) {
    assertEquals(vector.get("text").asText(), render(vector.get("format").asText(), vector));
  }

  @Test
  void v25TalksAsV3Does() {
    for (JsonNode vector : prompts()) {
      if (vector.get("format").asText().equals("deepseek-v3")) {
        assertEquals(vector.get("text").asText(), render("deepseek-v2.5", vector));
      }
    }
  }

  private static String render(String format, JsonNode vector) {
    List<Message> messages = new ArrayList<>();
    for (JsonNode m : vector.get("messages")) {
      messages.add(Message.of(m.get("role").asText(), m.get("content").asText()));
    }
    RenderOptions options =
        new RenderOptions(
            vector.get("add_generation_prompt").asBoolean(),
            Optional.ofNullable(vector.get("thinking")).map(JsonNode::asBoolean),
            Map.of());
    return ChatTemplate.builtIn(format, R1).render(messages, options).text();
  }

  @ParameterizedTest
  @MethodSource("promptsWithIds")
  void aPromptHasTheIdsOfThePublishedVocabulary(JsonNode vector) {
    assertArrayEquals(ints(vector.get("ids")), R1.encode(vector.get("text").asText(), false));
  }

  @Test
  void thereAreVectors() {
    assertTrue(r1().size() >= 70 && demo().size() >= 70, "texts");
    assertTrue(prompts().size() >= 50 && promptsWithIds().count() >= 40, "prompts");
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
