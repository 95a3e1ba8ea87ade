package dev.yuzui.server.answer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestProblem;
import java.util.List;

/** How much of what costs more than its text a request may have. */
final class Limits {
  private static final int STOPS = 16;
  private static final int STOP_LENGTH = 1000;
  private static final int TOOLS = 128;
  private static final int BIASES = 1024;
  private static final int SCHEMA_LENGTH = 256 << 10;
  private static final int DEPTH = 100;

  private Limits() {}

  /**
   * @throws RequestProblem if there is more
   */
  static void check(RequestFields body) {
    JsonNode stop = body.object().path("stop");
    require("stop", stop.isArray() ? stop.size() : 0, STOPS, "texts");
    for (JsonNode each : stop.isArray() ? stop : List.of(stop)) {
      require("stop", each.asText().length(), STOP_LENGTH, "characters of a text");
    }
    require("tools", body.object().path("tools").size(), TOOLS, "tools");
    require("logit_bias", body.object().path("logit_bias").size(), BIASES, "tokens");
    for (String form :
        List.of(
            "tools",
            "response_format",
            "structured_outputs",
            "guided_json",
            "guided_regex",
            "guided_grammar",
            "guided_choice")) {
      JsonNode node = body.object().path(form);
      if (!node.isMissingNode()) {
        requireFlat(form, node, 0);
        require(form, node.toString().length(), SCHEMA_LENGTH, "characters");
      }
    }
    requireFlat("messages", body.object().path("messages"), 0);
  }

  private static void require(String field, int found, int most, String what) {
    if (found > most) {
      throw RequestProblem.field(field, "at most " + most + " " + what, "" + found);
    }
  }

  private static void requireFlat(String field, JsonNode node, int depth) {
    if (depth > DEPTH) {
      throw RequestProblem.field(field, "JSON of at most " + DEPTH + " levels", "more");
    }
    node.forEach(each -> requireFlat(field, each, depth + 1));
  }
}
