package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.http.HttpProblem;

/**
 * How an answer is to be told.
 *
 * @param usage whether tokens are counted behind the answer
 * @param progress whether the reading of the prompt is told, as llama.cpp's server does
 */
record StreamAsked(boolean streamed, boolean usage, boolean progress) {
  static StreamAsked of(RequestFields body) {
    boolean streamed = Service.field(() -> body.flag("stream")).orElse(false);
    JsonNode options = body.object().path("stream_options");
    boolean given = !options.isMissingNode() && !options.isNull();
    if (given && !options.isObject()) {
      throw HttpProblem.of(
              400, "invalid_request", "stream_options: expected {\"include_usage\": true or false}")
          .about("stream_options");
    }
    if (given && !streamed) {
      throw HttpProblem.of(
              400, "invalid_request", "stream_options: expected \"stream\": true beside it")
          .about("stream_options");
    }
    return new StreamAsked(
        streamed,
        options.path("include_usage").asBoolean(false),
        Service.field(() -> body.flag("return_progress")).orElse(false));
  }
}
