package dev.yuzui.batch;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.batch.BatchLines.Line;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.BatchEnvelope;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ParsedRequest.Kind;
import dev.yuzui.openai.RequestProblem;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * Writes output lines. Each begins with an id made of its input line's number and checksum, by
 * which {@link BatchDone} knows it again; a custom_id is given back as it came.
 */
record BatchReply(String model, AnswerFields fields, UnaryOperator<String> wording) {
  static final String START = "{\"id\":\"batch_req_";

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /**
   * @param envelope empty if the line could not be read at all
   */
  String failed(Line line, Optional<BatchEnvelope> envelope, RequestProblem problem) {
    String code = problem.code().name().toLowerCase(Locale.ROOT);
    String message = wording.apply(problem.getMessage());
    ObjectNode row = row(line);
    ObjectNode error = JSON.objectNode();
    error.put("code", code).put("message", message).put("line", line.number());
    if (envelope.isPresent() && !envelope.get().openAi()) {
      return text(row, line, envelope.get()).set("error", error).toString();
    }
    row.set("custom_id", envelope.flatMap(BatchEnvelope::customId).orElse(null));
    if (envelope.isEmpty()) {
      row.putNull("response");
    } else {
      ObjectNode body = JSON.objectNode();
      body.putObject("error")
          .put("message", message)
          .put("type", problem.code().status() < 500 ? "invalid_request_error" : "server_error")
          .put("param", problem.field().orElse(null))
          .put("code", code);
      response(row, line, problem.code().status()).set("body", body);
    }
    return row.set("error", error).toString();
  }

  /**
   * @param results the answers to the first prompt, then those to the next
   */
  String done(
      Line line, BatchEnvelope envelope, ParsedRequest task, List<GenerationResult> results) {
    ObjectNode row = row(line);
    if (task.kind() == Kind.PLAIN) {
      text(row, line, envelope);
      String finish = fields.plain(row, task, results.getFirst());
      row.put("finish_reason", finish);
      return row.set("usage", AnswerFields.usage(task, results)).toString();
    }
    row.set("custom_id", envelope.customId().orElseThrow());
    ObjectNode body = response(row, line, 200).putObject("body");
    boolean chat = task.kind() == Kind.CHAT;
    body.put("id", (chat ? "chatcmpl-" : "cmpl-") + name(line));
    body.put("object", chat ? "chat.completion" : "text_completion");
    body.put("created", Instant.now().getEpochSecond());
    body.put("model", model);
    body.set("choices", fields.choices(task, results));
    body.set("usage", AnswerFields.usage(task, results));
    return row.putNull("error").toString();
  }

  /** How the result of a line begins, as far as its id and the field behind it are known. */
  static String head(Line line) {
    return START + name(line) + "\",\"";
  }

  private static ObjectNode row(Line line) {
    return JSON.objectNode().put("id", "batch_req_" + name(line));
  }

  private static String name(Line line) {
    return String.format(Locale.ROOT, "%d_%08x", line.number(), line.crc());
  }

  private static ObjectNode text(ObjectNode row, Line line, BatchEnvelope envelope) {
    row.put("line", line.number());
    envelope.customId().ifPresent(id -> row.set("custom_id", id));
    return row;
  }

  private static ObjectNode response(ObjectNode row, Line line, int status) {
    return row.putObject("response")
        .put("status_code", status)
        .put("request_id", "req_" + name(line));
  }
}
