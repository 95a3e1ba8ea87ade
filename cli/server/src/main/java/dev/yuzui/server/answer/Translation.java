package dev.yuzui.server.answer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.server.http.HttpProblem;
import java.util.Map;
import java.util.Set;

/** What turning another interface's request into an OpenAI chat's has in common. */
public final class Translation {
  private Translation() {}

  /** Takes over fields that mean the same. */
  public static void copy(JsonNode from, String name, ObjectNode to, String as) {
    if (from.hasNonNull(name)) {
      to.set(as, from.get(name));
    }
  }

  /**
   * What is wrong with a request in its own words.
   *
   * @param names its name for each field of the chat that it became, where they differ
   */
  public static HttpProblem renamed(HttpProblem problem, Map<String, String> names) {
    HttpProblem told = problem;
    for (Map.Entry<String, String> name : names.entrySet()) {
      told = told.renamed(name.getKey(), name.getValue());
    }
    return told;
  }

  /**
   * The text of a string, or of parts that are texts.
   *
   * @param types of parts that are
   * @throws RequestProblem if there is something else, as an image
   */
  public static String text(JsonNode content, String field, Set<String> types) {
    if (content.isTextual()) {
      return content.textValue();
    }
    if (!content.isArray()) {
      throw RequestProblem.field(field, "a text, or an array of parts", content.toString());
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode part : content) {
      if (!types.contains(part.path("type").asText()) || !part.path("text").isTextual()) {
        throw unreadable(field, part);
      }
      text.append(part.path("text").textValue());
    }
    return text.toString();
  }

  /** Of an image, a document, audio. */
  public static RequestProblem unreadable(String field, JsonNode part) {
    return RequestProblem.field(
        field, "texts, for this model sees nothing else", "a part of type " + part.path("type"));
  }
}
