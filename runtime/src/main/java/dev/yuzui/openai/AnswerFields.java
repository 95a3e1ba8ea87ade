package dev.yuzui.openai;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.ParsedRequest.Kind;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.OutputParser;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.ReasoningFilter.Segment;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What answers are told with, in the OpenAI interface's names.
 *
 * @param reasoning what becomes of {@code <think>} text
 * @param reading how answers are taken apart; empty where the model has no tokenizer
 */
public record AnswerFields(ReasoningFilter.Mode reasoning, Optional<ServedModel.Reading> reading) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  public static AnswerFields of(ServedModel model) {
    return new AnswerFields(model.reasoning(), model.reading());
  }

  /**
   * A choice for each answer.
   *
   * @param results the answers to the first prompt, then those to the next
   */
  public ArrayNode choices(ParsedRequest task, List<GenerationResult> results) {
    boolean chat = task.kind() == Kind.CHAT;
    ArrayNode choices = JSON.arrayNode();
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
        LogprobsFields told = logprobs(result);
        choice.set("logprobs", chat ? told.chat() : told.completion());
      }
      choice.put("finish_reason", finish);
    }
    return choices;
  }

  /**
   * The one answer of a request that has no interface's form.
   *
   * @return why it ended
   */
  public String plain(ObjectNode row, ParsedRequest task, GenerationResult result) {
    String finish = answer(row, "text", task, 0, result);
    ids(row, task, 0, result);
    if (!result.logprobs().isEmpty()) {
      row.set("logprobs", logprobs(result).chat());
    }
    return finish;
  }

  public static long generatedTokens(List<GenerationResult> results) {
    return results.stream().mapToLong(r -> r.tokens().size()).sum();
  }

  private LogprobsFields logprobs(GenerationResult result) {
    return new LogprobsFields(reading.orElseThrow().tokenizer(), result.logprobs());
  }

  /**
   * Reasoning that is kept apart goes where the DeepSeek API has it.
   *
   * @return why the answer ended
   */
  private String answer(
      ObjectNode to, String field, ParsedRequest task, int choice, GenerationResult result) {
    ParsedRequest.Prompt asked = task.prompts().get(choice / task.answers());
    if (!asked.tools().isEmpty()) {
      return calling(to, field, asked, result);
    }
    ReasoningFilter filter =
        new ReasoningFilter(reasoning, asked.text().orElse(Prompt.template("")));
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
      ObjectNode to, String field, ParsedRequest.Prompt asked, GenerationResult result) {
    ServedModel.Reading how = reading.orElseThrow();
    OutputParser parser =
        how.format()
            .parser(how.tokenizer(), asked.text().orElseThrow(), asked.tools(), asked.calls());
    OutputMessage message = parser.message(result.tokens(), result.text());
    message(to, field, message, reasoning != ReasoningFilter.Mode.HIDE);
    return finish(message, result);
  }

  /**
   * An answer in its parts.
   *
   * @param field that its text goes to; null where it only calls tools
   */
  public static void message(
      ObjectNode to, String field, OutputMessage message, boolean withReasoning) {
    message
        .reasoning()
        .filter(_ -> withReasoning)
        .ifPresent(text -> to.put("reasoning_content", text));
    to.put(field, message.content().orElse(null));
    if (message.calls().isEmpty()) {
      return;
    }
    ArrayNode calls = to.putArray("tool_calls");
    for (OutputMessage.Call call : message.calls()) {
      ObjectNode node = calls.addObject().put("id", call.id()).put("type", "function");
      node.putObject("function").put("name", call.name()).put("arguments", call.arguments());
    }
  }

  /** Who asked with ids reads ids: the model may have no tokenizer. */
  private static void ids(ObjectNode to, ParsedRequest task, int choice, GenerationResult result) {
    if (task.prompts().get(choice / task.answers()).text().isEmpty()) {
      ArrayNode ids = to.putArray("token_ids");
      result.tokens().forEach(ids::add);
    }
  }

  /** Why the model ended, as the interface names it. */
  public static String finish(GenerationResult result) {
    return result.finish().name().toLowerCase(Locale.ROOT);
  }

  /** The same of an answer in its parts: one that ended within a call asks for none. */
  public static String finish(OutputMessage message, GenerationResult result) {
    boolean calls =
        result.finish() == FinishReason.STOP
            && !message.calls().isEmpty()
            && message.calls().stream().allMatch(OutputMessage.Call::whole);
    return calls ? "tool_calls" : finish(result);
  }

  /** Tokens of all prompts, and of all answers. */
  public static ObjectNode usage(ParsedRequest task, List<GenerationResult> results) {
    long prompt = task.promptTokens();
    long generated = generatedTokens(results);
    return JSON.objectNode()
        .put("prompt_tokens", prompt)
        .put("completion_tokens", generated)
        .put("total_tokens", prompt + generated);
  }
}
