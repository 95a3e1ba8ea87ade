package dev.yuzui.batch;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.batch.BatchLines.Line;
import dev.yuzui.batch.BatchTask.Kind;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.OutputParser;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.ReasoningFilter.Segment;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * Writes output lines. Each begins with an id made of its input line's number and checksum, by
 * which {@link BatchDone} knows it again; a custom_id is given back as it came.
 */
record BatchReply(
    String model,
    ReasoningFilter.Mode reasoning,
    Optional<BatchModel.Reading> reading,
    UnaryOperator<String> wording) {
  static final String START = "{\"id\":\"batch_req_";

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /**
   * @param envelope empty if the line could not be read at all
   */
  String failed(Line line, Optional<BatchEnvelope> envelope, BatchProblem problem) {
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
  String done(Line line, BatchEnvelope envelope, BatchTask task, List<GenerationResult> results) {
    ObjectNode row = row(line);
    if (task.kind() == Kind.PLAIN) {
      text(row, line, envelope);
      String finish = answer(row, "text", task, 0, results.getFirst());
      ids(row, task, 0, results.getFirst());
      if (!results.getFirst().logprobs().isEmpty()) {
        row.set("logprobs", logprobs(results.getFirst()).chat());
      }
      row.put("finish_reason", finish);
      return row.set("usage", usage(task, results)).toString();
    }
    row.set("custom_id", envelope.customId().orElseThrow());
    ObjectNode body = response(row, line, 200).putObject("body");
    boolean chat = task.kind() == Kind.CHAT;
    body.put("id", (chat ? "chatcmpl-" : "cmpl-") + name(line));
    body.put("object", chat ? "chat.completion" : "text_completion");
    body.put("created", Instant.now().getEpochSecond());
    body.put("model", model);
    ArrayNode choices = body.putArray("choices");
    for (int i = 0; i < results.size(); i++) {
      ObjectNode choice = choices.addObject().put("index", i);
      GenerationResult result = results.get(i);
      String finish = finish(result);
      if (chat) {
        ObjectNode message = choice.putObject("message").put("role", "assistant");
        finish = answer(message, "content", task, i, result);
      } else {
        choice.put("text", result.text());
        ids(choice, task, i, result);
      }
      if (result.logprobs().isEmpty()) {
        choice.putNull("logprobs");
      } else {
        BatchLogprobs told = logprobs(result);
        choice.set("logprobs", chat ? told.chat() : told.completion());
      }
      choice.put("finish_reason", finish);
    }
    body.set("usage", usage(task, results));
    return row.putNull("error").toString();
  }

  static long generatedTokens(List<GenerationResult> results) {
    return results.stream().mapToLong(r -> r.tokens().size()).sum();
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

  private BatchLogprobs logprobs(GenerationResult result) {
    return new BatchLogprobs(reading.orElseThrow().tokenizer(), result.logprobs());
  }

  /**
   * Reasoning that is kept apart goes where the DeepSeek API has it.
   *
   * @return why the answer ended
   */
  private String answer(
      ObjectNode to, String field, BatchTask task, int choice, GenerationResult result) {
    BatchTask.Prompt asked = task.prompts().get(choice / task.answers());
    if (!asked.tools().isEmpty()) {
      return calling(to, field, asked, result);
    }
    ReasoningFilter filter =
        new ReasoningFilter(
            reasoning,
            task.prompts().get(choice / task.answers()).text().orElse(Prompt.template("")));
    StringBuilder answer = new StringBuilder();
    StringBuilder apart = new StringBuilder();
    for (List<Segment> segments : List.of(filter.push(result.text()), filter.finish())) {
      for (Segment segment : segments) {
        switch (segment.channel()) {
          case ANSWER -> answer.append(segment.text());
          case REASONING -> apart.append(segment.text());
        }
      }
    }
    if (!apart.isEmpty()) {
      to.put("reasoning_content", apart.toString());
    }
    to.put(field, answer.toString());
    return finish(result);
  }

  /** What was thought is never part of an answer that may call tools. */
  private String calling(
      ObjectNode to, String field, BatchTask.Prompt asked, GenerationResult result) {
    BatchModel.Reading how = reading.orElseThrow();
    OutputParser parser =
        how.format()
            .parser(how.tokenizer(), asked.text().orElseThrow(), asked.tools(), asked.calls());
    OutputMessage message = parser.message(result.tokens(), result.text());
    message
        .reasoning()
        .filter(_ -> reasoning != ReasoningFilter.Mode.HIDE)
        .ifPresent(text -> to.put("reasoning_content", text));
    to.put(field, message.content().orElse(null));
    if (message.calls().isEmpty()) {
      return finish(result);
    }
    ArrayNode calls = to.putArray("tool_calls");
    for (OutputMessage.Call call : message.calls()) {
      ObjectNode node = calls.addObject().put("id", call.id()).put("type", "function");
      node.putObject("function").put("name", call.name()).put("arguments", call.arguments());
    }
    return result.finish() == FinishReason.STOP ? "tool_calls" : finish(result);
  }

  /** Who asked with ids reads ids: the model may have no tokenizer. */
  private static void ids(ObjectNode to, BatchTask task, int choice, GenerationResult result) {
    if (task.prompts().get(choice / task.answers()).text().isEmpty()) {
      ArrayNode ids = to.putArray("token_ids");
      result.tokens().forEach(ids::add);
    }
  }

  private static String finish(GenerationResult result) {
    return result.finish().name().toLowerCase(Locale.ROOT);
  }

  private static ObjectNode usage(BatchTask task, List<GenerationResult> results) {
    long prompt = task.promptTokens();
    long generated = generatedTokens(results);
    return JSON.objectNode()
        .put("prompt_tokens", prompt)
        .put("completion_tokens", generated)
        .put("total_tokens", prompt + generated);
  }
}
