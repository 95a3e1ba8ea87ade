package dev.yuzui.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import java.util.Set;

/**
 * What surrounds a line's request.
 *
 * @param openAi {@code {custom_id, method, url, body}}; otherwise the line is the request itself
 */
record BatchEnvelope(boolean openAi, Optional<String> customId, BatchFields line) {
  private static final Set<String> OPEN_AI = Set.of("method", "url", "body");

  /** Complains about nothing, so that there is an envelope to put the complaints into. */
  static BatchEnvelope of(BatchFields line) {
    return new BatchEnvelope(
        OPEN_AI.stream().anyMatch(line::has),
        Optional.of(line.object().path("custom_id"))
            .filter(JsonNode::isTextual)
            .map(JsonNode::textValue),
        line);
  }
}
