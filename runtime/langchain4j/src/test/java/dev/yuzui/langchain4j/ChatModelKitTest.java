package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.common.AbstractChatModelIT;
import dev.langchain4j.model.chat.common.ChatResponseAndStreamingMetadata;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.yuzui.engine.Engine;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Disabled;

/** What LangChain4j asks of every chat model, of a model that {@link Knowing} helps. */
class ChatModelKitTest extends AbstractChatModelIT {
  private final Engine engine = Demo.open();

  @AfterAll
  void close() {
    engine.close();
  }

  @Override
  protected List<ChatModel> models() {
    return List.of(YuzuiChatModel.of(engine, Demo.options(engine)));
  }

  @Override
  protected ChatModel createModelWith(ChatRequestParameters parameters) {
    return YuzuiChatModel.of(engine, Demo.options(engine, parameters));
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return YuzuiChatRequestParameters.builder().maxOutputTokens(maxOutputTokens).build();
  }

  @Override
  protected ChatResponseAndStreamingMetadata chat(ChatModel model, ChatRequest request) {
    return super.chat(model, Knowing.hinted(request));
  }

  @Override
  protected boolean supportsModelNameParameter() {
    return false; // there is one model
  }

  @Override
  protected boolean supportsSingleImageInputAsBase64EncodedString() {
    return false;
  }

  @Override
  protected boolean supportsSingleImageInputAsPublicURL() {
    return false;
  }

  @Override
  @Disabled("a grammar can ask for calls, not for two; YuzuiChatModelTest has several")
  protected void should_execute_multiple_tools_in_parallel_then_answer(ChatModel model) {}
}
