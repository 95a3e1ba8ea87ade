package dev.yuzui.langchain4j;

import dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialToolCall;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputMessage;
import java.util.ArrayList;
import java.util.List;

/** Tells a handler of one answer. */
final class Telling {
  private final StreamingChatResponseHandler handler;
  private final List<OutputMessage.Call> calls = new ArrayList<>();

  Telling(StreamingChatResponseHandler handler) {
    this.handler = handler;
  }

  /** Its way to end the answer early, from any thread. */
  private static final class Handle implements StreamingHandle {
    private final Generation generation;
    private volatile boolean cancelled;

    private Handle(Generation generation) {
      this.generation = generation;
    }

    @Override
    public void cancel() {
      cancelled = true;
      generation.cancel();
    }

    @Override
    public boolean isCancelled() {
      return cancelled;
    }
  }

  void tell(Served served, ChatRequest request) {
    try {
      follow(served.ask(request));
    } catch (RuntimeException e) {
      failed(Failures.of(e, served.engine()));
    } catch (Error e) {
      failed(e); // whoever waits is told of it, also of a handler's failed assertion
      throw e;
    }
  }

  private void follow(Asked asked) {
    Handle handle = new Handle(asked.generation());
    try {
      ChatResponse response =
          asked.follow(
              event -> {
                if (!handle.isCancelled()) {
                  tell(event, handle);
                }
              });
      if (!handle.isCancelled()) {
        InternalStreamingChatResponseHandlerUtils.onCompleteResponse(handler, response);
      }
    } catch (RuntimeException e) {
      if (!handle.isCancelled()) {
        throw e;
      }
    }
  }

  private void failed(Throwable e) {
    InternalStreamingChatResponseHandlerUtils.withLoggingExceptions(() -> handler.onError(e));
  }

  private void tell(OutputEvent event, Handle handle) {
    switch (event) {
      case OutputEvent.Reasoning(String text) ->
          InternalStreamingChatResponseHandlerUtils.onPartialThinking(handler, text, handle);
      case OutputEvent.Content(String text) ->
          InternalStreamingChatResponseHandlerUtils.onPartialResponse(handler, text, handle);
      case OutputEvent.CallBegin(_, String id, String name) ->
          calls.add(new OutputMessage.Call(id, name, "", false));
      case OutputEvent.CallArguments(int index, String json) -> {
        OutputMessage.Call call = calls.get(index);
        calls.set(
            index, new OutputMessage.Call(call.id(), call.name(), call.arguments() + json, false));
        PartialToolCall part =
            PartialToolCall.builder()
                .index(index)
                .id(call.id())
                .name(call.name())
                .partialArguments(json)
                .build();
        InternalStreamingChatResponseHandlerUtils.onPartialToolCall(handler, part, handle);
      }
      case OutputEvent.CallEnd(int index) ->
          InternalStreamingChatResponseHandlerUtils.onCompleteToolCall(
              handler, new CompleteToolCall(index, Asked.call(calls.get(index))));
    }
  }
}
