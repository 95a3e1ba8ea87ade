package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Texts;
import dev.yuzui.openai.RequestProblem.Code;
import java.util.List;
import java.util.Set;

/** Makes a request of a line of a batch, whatever form it has. */
public record BatchParser(RequestParser requests) {
  private static final Set<String> ENVELOPE = Set.of("custom_id", "method", "url", "body");

  /**
   * @throws RequestProblem if it cannot be met
   * @throws dev.yuzui.text.TextException if its messages suit no template
   */
  public ParsedRequest parse(BatchEnvelope envelope) {
    if (envelope.customId().isPresent() && envelope.name().isEmpty()) {
      throw RequestProblem.field("custom_id", "a string", envelope.customId().get().toString());
    }
    if (!envelope.openAi()) {
      return plain(envelope.line());
    }
    RequestFields line = envelope.line();
    line.requireKnown(List.of(ENVELOPE));
    if (envelope.customId().isEmpty()) {
      throw RequestProblem.field("custom_id", "a string", "none");
    }
    String method = line.text("method").orElse("POST");
    if (!method.equals("POST")) {
      throw RequestProblem.field("method", "POST", method);
    }
    RequestFields body =
        line.get("body")
            .filter(JsonNode::isObject)
            .map(RequestFields::new)
            .orElseThrow(() -> RequestProblem.field("body", "an object", "none"));
    String url = line.text("url").orElse("");
    refuseStream(body);
    return switch (url) {
      case "/v1/chat/completions" -> requests.chat(body);
      case "/v1/completions" -> requests.completion(body);
      default ->
          throw RequestProblem.of(
              Code.MISMATCHED_URL,
              "url: expected /v1/chat/completions or /v1/completions, found " + Texts.shorten(url));
    };
  }

  private ParsedRequest plain(RequestFields line) {
    if (line.has("id")) {
      throw RequestProblem.field(
          "id", "custom_id where the line is given a name", line.object().path("id").toString());
    }
    refuseStream(line);
    return requests.plain(line);
  }

  private static void refuseStream(RequestFields body) {
    body.refuse("stream", "false, for each answer is written whole", Set.of("false"));
  }
}
