package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.yuzui.engine.Engine;
import java.util.List;
import java.util.Set;

/**
 * As {@link YuzuiChatModel}, told as the answer is made. A handler is called on a thread of its
 * request's own, so that one that waits holds up nobody else; what it throws is told to its {@code
 * onError}, and the answer goes on. Once a handle is cancelled nothing more is told. Features that
 * no engine has, or not this model, are refused where the request is made, every other failure goes
 * to {@code onError}.
 */
public final class YuzuiStreamingChatModel implements StreamingChatModel {
  private final Served served;

  private YuzuiStreamingChatModel(Served served) {
    this.served = served;
  }

  /** As {@link ChatModelOptions#DEFAULT} says. */
  public static YuzuiStreamingChatModel of(Engine engine) {
    return of(engine, ChatModelOptions.DEFAULT);
  }

  /** As {@link YuzuiChatModel#of(Engine, ChatModelOptions)}. */
  public static YuzuiStreamingChatModel of(Engine engine, ChatModelOptions options) {
    return new YuzuiStreamingChatModel(Served.of(engine, options));
  }

  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    served.requireSupported(request.parameters());
    Turns.requireTexts(request.messages());
    Thread.ofVirtual().name("yuzui-chat").start(() -> new Telling(handler).tell(served, request));
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
