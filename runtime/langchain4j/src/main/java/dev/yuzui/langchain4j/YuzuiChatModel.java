package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.yuzui.engine.Engine;
import java.util.List;
import java.util.Set;

/**
 * A chat model on an engine in this process. Thread-safe: what is asked at the same time is
 * computed together. The engine stays its owner's to close. A model without a chat template
 * continues what was said, a paragraph an answer.
 *
 * <p>A thread that is interrupted while it waits cancels its request. Errors are LangChain4j's:
 * {@code UnsupportedFeatureException} for what no engine can do or not this model, {@code
 * InvalidRequestException} for a request that cannot be met, {@code TimeoutException}, {@code
 * InternalServerException} where the device failed and another request may fare better, {@code
 * NonRetriableException} once the engine is closed or lost.
 */
public final class YuzuiChatModel implements ChatModel {
  private final Served served;

  private YuzuiChatModel(Served served) {
    this.served = served;
  }

  /** As {@link ChatModelOptions#DEFAULT} says. */
  public static YuzuiChatModel of(Engine engine) {
    return of(engine, ChatModelOptions.DEFAULT);
  }

  /**
   * @throws dev.langchain4j.exception.UnsupportedFeatureException if its parameters cannot be met
   * @throws dev.yuzui.engine.api.EngineException if the model has no tokenizer
   */
  public static YuzuiChatModel of(Engine engine, ChatModelOptions options) {
    return new YuzuiChatModel(Served.of(engine, options));
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    try {
      served.requireSupported(request.parameters());
      return served.ask(request).follow(event -> {});
    } catch (RuntimeException e) {
      throw Failures.of(e, served.engine());
    }
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return served.options().parameters();
  }

  @Override
  public List<ChatModelListener> listeners() {
    return served.options().listeners();
  }

  @Override
  public Set<Capability> supportedCapabilities() {
    return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
  }
}
