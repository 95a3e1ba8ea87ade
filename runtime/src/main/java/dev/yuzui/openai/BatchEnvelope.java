package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import java.util.Set;

/**
 * What surrounds a request in a line of a batch.
 *
 * @param openAi {@code {custom_id, method, url, body}}; otherwise the line is the request itself
 * @param customId whatever it is, to be given back
 */
public record BatchEnvelope(boolean openAi, Optional<JsonNode> customId, RequestFields line) {
  private static final Set<String> OPEN_AI = Set.of("method", "url", "body");

  /** Complains about nothing, so that there is an envelope to put the complaints into. */
  public static BatchEnvelope of(RequestFields line) {
    return new BatchEnvelope(OPEN_AI.stream().anyMatch(line::has), line.get("custom_id"), line);
  }

  /** The id as the interface has it, by which no two lines are called. */
  public Optional<String> name() {
    return customId.filter(JsonNode::isTextual).map(JsonNode::textValue);
  }
}
