package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.RecordCopy;
import dev.yuzui.text.ChatTemplate;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * How a model is asked where a request says nothing.
 *
 * @param template that conversations are put in; empty: the model's own, if it has one
 * @param sampling how tokens are drawn
 * @param parameters of requests, as LangChain4j has them; they go before {@code sampling}
 * @param listeners told of every request and answer
 */
public record ChatModelOptions(
    Optional<ChatTemplate> template,
    SamplingParams sampling,
    ChatRequestParameters parameters,
    List<ChatModelListener> listeners) {

  public static final ChatModelOptions DEFAULT =
      new ChatModelOptions(
          Optional.empty(), SamplingParams.DEFAULT, DefaultChatRequestParameters.EMPTY, List.of());

  public ChatModelOptions {
    listeners = List.copyOf(listeners);
    Objects.requireNonNull(template);
    Objects.requireNonNull(sampling);
    Objects.requireNonNull(parameters);
  }

  public ChatModelOptions withTemplate(ChatTemplate chosen) {
    return RecordCopy.with(this, "template", Optional.of(chosen));
  }

  public ChatModelOptions withSampling(SamplingParams params) {
    return RecordCopy.with(this, "sampling", params);
  }

  public ChatModelOptions withParameters(ChatRequestParameters defaults) {
    return RecordCopy.with(this, "parameters", defaults);
  }

  public ChatModelOptions withListeners(List<ChatModelListener> told) {
    return RecordCopy.with(this, "listeners", List.copyOf(told));
  }
}
