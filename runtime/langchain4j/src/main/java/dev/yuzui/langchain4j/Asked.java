package dev.yuzui.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Token;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.OutputParser;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** An answer in the making, read as it comes. */
record Asked(Generation generation, OutputParser parser, int promptTokens, String model) {

  /**
   * Reads all of it; an interrupted reader cancels it.
   *
   * @param told each part as soon as it is certain
   * @throws TimeoutException if its time was over
   * @throws dev.yuzui.engine.api.EngineException if it failed
   */
  ChatResponse follow(Consumer<OutputEvent> told) {
    List<OutputEvent> events = new ArrayList<>();
    Consumer<List<OutputEvent>> take =
        made -> {
          events.addAll(made);
          made.forEach(told);
        };
    try (Stream<Token> tokens = generation.tokens()) {
      tokens.forEach(token -> take.accept(parser.push(token.id(), token.text())));
      take.accept(parser.finish());
      return response(OutputMessage.of(events).withoutCutCall(), generation.await());
    }
  }

  static ToolExecutionRequest call(OutputMessage.Call call) {
    return ToolExecutionRequest.builder()
        .id(call.id())
        .name(call.name())
        .arguments(call.arguments())
        .build();
  }

  private ChatResponse response(OutputMessage message, GenerationResult result) {
    AiMessage.Builder answer =
        AiMessage.builder()
            .toolExecutionRequests(message.calls().stream().map(Asked::call).toList());
    message.reasoning().ifPresent(answer::thinking);
    message.content().ifPresent(answer::text);
    return ChatResponse.builder()
        .aiMessage(answer.build())
        .metadata(
            ChatResponseMetadata.builder()
                .id("chatcmpl-" + UUID.randomUUID())
                .modelName(model)
                .tokenUsage(new TokenUsage(promptTokens, result.tokens().size()))
                .finishReason(finish(message, result))
                .build())
        .build();
  }

  private static FinishReason finish(OutputMessage message, GenerationResult result) {
    return switch (result.finish()) {
      case STOP -> message.calls().isEmpty() ? FinishReason.STOP : FinishReason.TOOL_EXECUTION;
      case LENGTH -> FinishReason.LENGTH;
      case CANCELLED -> FinishReason.OTHER;
      case TIMEOUT ->
          throw new TimeoutException(
              "timeout: the answer was not done in time, "
                  + result.tokens().size()
                  + " tokens were; give it more, or ask for less with maxOutputTokens");
    };
  }
}
