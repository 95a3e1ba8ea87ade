package dev.yuzui.langchain4j;

import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelListenerIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.yuzui.engine.Engine;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;

/** What LangChain4j asks of models that have listeners. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StreamingListenerKitTest extends AbstractStreamingChatModelListenerIT {
  private final Engine engine = Demo.open();

  @AfterAll
  void close() {
    engine.close();
  }

  @Override
  protected StreamingChatModel createModel(ChatModelListener listener) {
    ChatRequestParameters parameters =
        ChatRequestParameters.builder()
            .modelName(modelName())
            .temperature(temperature())
            .topP(topP())
            .maxOutputTokens(maxTokens())
            .build();
    return YuzuiStreamingChatModel.of(engine, Demo.options(engine, parameters, listener));
  }

  @Override
  protected String modelName() {
    return engine.config().name();
  }

  @Override
  protected StreamingChatModel createFailingModel(ChatModelListener listener) {
    ChatRequestParameters parameters = ChatRequestParameters.builder().temperature(-1.0).build();
    return YuzuiStreamingChatModel.of(engine, Demo.options(engine, parameters, listener));
  }

  @Override
  protected Class<? extends Exception> expectedExceptionClass() {
    return InvalidRequestException.class;
  }
}
