package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.responses.ResponseCreateParams;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiChatRequestParameters;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The clients that Java has: OpenAI's own and LangChain4j's. */
class JavaClientsTest {
  private static final String ONCE = "Once upon a time";

  private static RunningServer server;
  private static OpenAIClient openai;

  @BeforeAll
  static void open() {
    server = RunningServer.open();
    openai =
        OpenAIOkHttpClient.builder()
            .baseUrl(server.uri("/v1").toString())
            .apiKey("any")
            .maxRetries(0)
            .timeout(Duration.ofSeconds(30))
            .build();
  }

  @AfterAll
  static void close() {
    openai.close();
    server.close();
  }

  private static ChatCompletionCreateParams.Builder once() {
    return ChatCompletionCreateParams.builder()
        .model("demo")
        .addUserMessage(ONCE)
        .maxCompletionTokens(8)
        .temperature(0);
  }

  @Test
  void openAisChatsAndStreamsTheSame() {
    var whole = openai.chat().completions().create(once().build()).choices().getFirst();
    String text = whole.message().content().orElseThrow();
    assertFalse(text.isEmpty());
    ChatCompletionAccumulator all = ChatCompletionAccumulator.create();
    try (StreamResponse<ChatCompletionChunk> stream =
        openai.chat().completions().createStreaming(once().build())) {
      stream.stream().forEach(all::accumulate);
    }
    var streamed = all.chatCompletion().choices().getFirst();
    assertEquals(text, streamed.message().content().orElseThrow());
    assertEquals(whole.finishReason(), streamed.finishReason());
  }

  @Test
  void openAisResponds() {
    var made =
        openai
            .responses()
            .create(
                ResponseCreateParams.builder()
                    .model("demo")
                    .input(ONCE)
                    .maxOutputTokens(16)
                    .build());
    assertEquals(16, made.usage().orElseThrow().outputTokens());
    assertFalse(made.output().isEmpty());
  }

  @Test
  void openAisNamesErrors() {
    var bad =
        assertThrows(
            BadRequestException.class,
            () -> openai.chat().completions().create(once().temperature(-5).build()));
    assertTrue(bad.getMessage().contains("temperature"), bad.getMessage());
  }

  private static OpenAiChatModel.OpenAiChatModelBuilder langchain() {
    return OpenAiChatModel.builder()
        .baseUrl(server.uri("/v1").toString())
        .apiKey("any")
        .modelName("demo")
        .maxRetries(0)
        .timeout(Duration.ofSeconds(30));
  }

  private static final ToolSpecification ROLL =
      ToolSpecification.builder()
          .name("roll")
          .parameters(
              JsonObjectSchema.builder()
                  .addEnumProperty("dice", List.of("one", "six"))
                  .required("dice")
                  .build())
          .build();

  @Test
  void langchain4jsChatsAndCallsTools() {
    OpenAiChatModel model = langchain().maxTokens(300).parallelToolCalls(false).build();
    ChatRequest asked =
        ChatRequest.builder()
            .messages(UserMessage.from(ONCE))
            .toolSpecifications(ROLL)
            .toolChoice(ToolChoice.REQUIRED)
            .build();
    ChatResponse called = model.chat(asked);
    assertEquals(FinishReason.TOOL_EXECUTION, called.finishReason());
    var call = called.aiMessage().toolExecutionRequests().getFirst();
    assertEquals("roll", call.name());
    assertTrue(call.arguments().contains("dice"));
    ChatResponse next =
        langchain()
            .maxTokens(5)
            .build()
            .chat(
                UserMessage.from(ONCE),
                AiMessage.from(List.of(call)),
                ToolExecutionResultMessage.from(call, "6"));
    assertEquals(5, next.tokenUsage().outputTokenCount());
  }

  @Test
  void langchain4jsHoldsAnAnswerToASchema() {
    ResponseFormat format =
        ResponseFormat.builder()
            .type(ResponseFormatType.JSON)
            .jsonSchema(
                JsonSchema.builder()
                    .name("answer")
                    .rootElement(
                        JsonObjectSchema.builder()
                            .addProperty(
                                "animal",
                                JsonEnumSchema.builder().enumValues("wolf", "fox").build())
                            .required("animal")
                            .build())
                    .build())
            .build();
    ChatResponse made =
        langchain()
            .strictJsonSchema(true)
            .build()
            .chat(
                ChatRequest.builder()
                    .messages(UserMessage.from(ONCE))
                    .parameters(
                        OpenAiChatRequestParameters.builder()
                            .responseFormat(format)
                            .maxOutputTokens(60)
                            .build())
                    .build());
    assertTrue(made.aiMessage().text().matches("\\{\\s*\"animal\":\\s*\"(wolf|fox)\"\\s*\\}"));
  }

  @Test
  void langchain4jsStreams() throws Exception {
    CompletableFuture<ChatResponse> done = new CompletableFuture<>();
    StringBuilder text = new StringBuilder();
    OpenAiStreamingChatModel.builder()
        .baseUrl(server.uri("/v1").toString())
        .apiKey("any")
        .modelName("demo")
        .maxTokens(8)
        .build()
        .chat(
            ONCE,
            new StreamingChatResponseHandler() {
              @Override
              public void onPartialResponse(String piece) {
                text.append(piece);
              }

              @Override
              public void onCompleteResponse(ChatResponse response) {
                done.complete(response);
              }

              @Override
              public void onError(Throwable e) {
                done.completeExceptionally(e);
              }
            });
    ChatResponse response = done.get(30, TimeUnit.SECONDS);
    assertEquals(response.aiMessage().text(), text.toString());
    assertEquals(8, response.tokenUsage().outputTokenCount());
  }

  @Test
  void langchain4jsNamesErrors() {
    OpenAiChatModel model = langchain().topP(7.0).build();
    var bad = assertThrows(InvalidRequestException.class, () -> model.chat(ONCE));
    assertTrue(bad.getMessage().contains("top_p"), bad.getMessage());
  }
}
