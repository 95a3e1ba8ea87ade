package dev.yuzui.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonArraySchema;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import dev.yuzui.engine.Engine;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.ChatTemplate;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Requests of LangChain4j are what the engine is asked, and its answers theirs. */
class YuzuiChatModelTest {
  private static final ToolSpecification HUNT =
      ToolSpecification.builder()
          .name("hunt")
          .description("Hunts an animal.")
          .parameters(
              JsonObjectSchema.builder()
                  .addProperty("animal", JsonEnumSchema.builder().enumValues("wolf", "fox").build())
                  .addProperty(
                      "hours", JsonRawSchema.from("{\"type\": \"integer\", \"maximum\": 9}"))
                  .required("animal", "hours")
                  .build())
          .build();

  private static Engine engine;
  private static YuzuiChatModel model;

  @BeforeAll
  static void open() {
    engine = Demo.open();
    model = YuzuiChatModel.of(engine, Demo.options(engine));
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  private static ChatRequest request(ChatRequestParameters parameters) {
    return ChatRequest.builder()
        .messages(UserMessage.from("Once upon a time"))
        .parameters(parameters)
        .build();
  }

  private static ChatResponse chat(YuzuiChatRequestParameters.Builder parameters) {
    return model.chat(request(parameters.build()));
  }

  private static YuzuiChatRequestParameters.Builder parameters() {
    return YuzuiChatRequestParameters.builder();
  }

  private static JsonNode json(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (IOException e) {
      throw new AssertionError(text, e);
    }
  }

  @Test
  void theSameSeedTellsTheSameTale() {
    String first = chat(parameters().seed(3).maxOutputTokens(30)).aiMessage().text();
    assertEquals(first, chat(parameters().seed(3).maxOutputTokens(30)).aiMessage().text());
    assertNotEquals(first, chat(parameters().seed(4).maxOutputTokens(30)).aiMessage().text());
    assertEquals(
        chat(parameters().seed(3).temperature(0.0).maxOutputTokens(30)).aiMessage(),
        chat(parameters().seed(4).topK(1).maxOutputTokens(30)).aiMessage(),
        "the best token leaves nothing to the seed");
  }

  @Test
  void penaltiesAndFiltersReachTheSampler() {
    var greedy = parameters().temperature(0.0).maxOutputTokens(60);
    String plain = chat(greedy).aiMessage().text();
    assertNotEquals(plain, chat(greedy.presencePenalty(2.0)).aiMessage().text());
    assertNotEquals(
        plain,
        chat(parameters().temperature(0.0).maxOutputTokens(60).repetitionPenalty(1.8))
            .aiMessage()
            .text());
    assertEquals(
        plain,
        chat(parameters().temperature(1.9).minP(1).maxOutputTokens(60)).aiMessage().text(),
        "of all tokens as probable as the best there is one");
  }

  @Test
  void countsAndReasonsAreTold() {
    ChatResponse cut = chat(parameters().maxOutputTokens(7));
    assertEquals(FinishReason.LENGTH, cut.finishReason());
    assertEquals(7, cut.tokenUsage().outputTokenCount());
    assertEquals(
        engine.tokenizer().encode("Once upon a time", true).length,
        cut.tokenUsage().inputTokenCount());
    assertEquals(engine.config().name(), cut.modelName());
    ChatResponse whole = chat(parameters().grammar(new Choices(List.of("a fox and a wolf"))));
    assertEquals(FinishReason.STOP, whole.finishReason());
    ChatResponse stopped =
        chat(parameters().grammar(new Choices(List.of("a fox and a wolf"))).stopSequences(" and"));
    assertEquals("a fox", stopped.aiMessage().text());
    assertEquals(FinishReason.STOP, stopped.finishReason());
  }

  @Test
  void anAnswerKeepsToItsSchemaAndHasNoOtherFields() {
    JsonSchema schema =
        JsonSchema.builder()
            .name("tale")
            .rootElement(
                JsonObjectSchema.builder()
                    .addEnumProperty("animal", List.of("wolf", "fox", "goat"))
                    .addBooleanProperty("tame")
                    .addProperty(
                        "friends",
                        JsonArraySchema.builder()
                            .items(
                                JsonObjectSchema.builder()
                                    .addEnumProperty("name", List.of("Hans", "Gretel"))
                                    .required("name")
                                    .build())
                            .build())
                    .required("animal", "tame")
                    .build())
            .build();
    int whole = 0;
    for (int seed = 0; seed < 4; seed++) {
      ChatResponse response =
          chat(
              parameters()
                  .temperature(1.3)
                  .topK(20)
                  .seed(seed)
                  .maxOutputTokens(200)
                  .responseFormat(schema));
      if (response.finishReason() == FinishReason.LENGTH) {
        continue; // a list without an end
      }
      whole++;
      JsonNode tale = json(response.aiMessage().text());
      assertTrue(Set.of("wolf", "fox", "goat").contains(tale.get("animal").asText()));
      assertTrue(tale.get("tame").isBoolean());
      assertTrue(Set.of("animal", "tame", "friends").containsAll(names(tale)), tale.toString());
      tale.path("friends").forEach(friend -> assertEquals(Set.of("name"), names(friend)));
    }
    assertTrue(whole > 0, "one at least ends");
  }

  private static Set<String> names(JsonNode object) {
    return object.properties().stream().map(Map.Entry::getKey).collect(Collectors.toSet());
  }

  @Test
  void jsonWithoutASchemaIsAnObject() {
    ChatResponse response =
        chat(parameters().seed(1).maxOutputTokens(300).responseFormat(ResponseFormat.JSON));
    assertTrue(response.aiMessage().text().startsWith("{"), response.aiMessage().text());
  }

  @Test
  void aRequiredToolIsCalledAsItsSchemaSays() {
    for (int seed = 0; seed < 3; seed++) {
      ChatResponse response =
          chat(
              parameters()
                  .seed(seed)
                  .toolSpecifications(HUNT)
                  .toolChoice(ToolChoice.REQUIRED)
                  .parallelToolCalls(false));
      assertEquals(FinishReason.TOOL_EXECUTION, response.finishReason());
      assertNull(response.aiMessage().text());
      ToolExecutionRequest call = response.aiMessage().toolExecutionRequests().getFirst();
      assertEquals("hunt", call.name());
      JsonNode arguments = json(call.arguments());
      assertTrue(Set.of("wolf", "fox").contains(arguments.get("animal").asText()));
      assertTrue(arguments.get("hours").asInt() <= 9);
    }
  }

  @Test
  void severalCallsHaveNamesOfTheirOwnAlsoInTheNextTurn() {
    AiMessage two =
        AiMessage.from(
            ToolExecutionRequest.builder().id("call_0").name("hunt").arguments("{}").build(),
            ToolExecutionRequest.builder().id("call_1").name("hunt").arguments("").build());
    ChatResponse response =
        model.chat(
            ChatRequest.builder()
                .messages(
                    UserMessage.from("Hunt!"),
                    two,
                    ToolExecutionResultMessage.from("call_0", "hunt", "a wolf"),
                    ToolExecutionResultMessage.from("call_1", "hunt", "a fox"),
                    UserMessage.from("Again!"))
                .parameters(
                    parameters()
                        .seed(5)
                        .maxOutputTokens(160)
                        .toolSpecifications(HUNT)
                        .toolChoice(ToolChoice.REQUIRED)
                        .build())
                .build());
    List<String> ids =
        response.aiMessage().toolExecutionRequests().stream()
            .map(ToolExecutionRequest::id)
            .toList();
    assertTrue(ids.size() > 1, ids::toString);
    assertEquals("call_2", ids.getFirst());
    assertEquals(ids.size(), Set.copyOf(ids).size(), ids::toString);
  }

  @Test
  void toolsThatMayNotBeCalledAreNotShown() {
    ChatResponse with =
        chat(parameters().maxOutputTokens(1).toolSpecifications(HUNT).toolChoice(ToolChoice.NONE));
    ChatResponse without = chat(parameters().maxOutputTokens(1));
    assertEquals(without.tokenUsage(), with.tokenUsage());
  }

  @Test
  void whatIsThoughtIsApartFromTheAnswer() {
    var thinks =
        new Sequence(
            List.of(
                new Template("<think>"),
                new Choices(List.of("A fox is no wolf.")),
                new Template("</think>\n\n"),
                new Choices(List.of("No."))));
    AiMessage answer = chat(parameters().grammar(thinks)).aiMessage();
    assertEquals("A fox is no wolf.", answer.thinking());
    assertEquals("No.", answer.text());
  }

  @Test
  void thinkingIsForModelsThatHaveTheChoice() {
    ChatResponse off = chat(parameters().thinking(false).maxOutputTokens(1));
    ChatResponse open = chat(parameters().maxOutputTokens(1));
    assertTrue(off.tokenUsage().inputTokenCount() > open.tokenUsage().inputTokenCount());
    ChatTemplate plain =
        ChatTemplate.jinja(
            "plain", "{% for m in messages %}{{ m.content }}{% endfor %}", engine.tokenizer());
    YuzuiChatModel cannot = YuzuiChatModel.of(engine, Demo.options(engine).withTemplate(plain));
    ChatRequest thinking = request(parameters().thinking(true).build());
    assertThrows(UnsupportedFeatureException.class, () -> cannot.chat(thinking));
  }

  @Test
  void whatCannotBeMetIsAnInvalidRequest() {
    ChatRequest tooLong =
        ChatRequest.builder().messages(UserMessage.from("wolf ".repeat(600))).build();
    String message =
        assertThrows(InvalidRequestException.class, () -> model.chat(tooLong)).getMessage();
    assertTrue(message.contains("512"), message);
    for (var wrong :
        List.of(
            parameters().temperature(-1.0),
            parameters().topP(2.0),
            parameters().maxOutputTokens(-5),
            parameters().toolChoice(ToolChoice.REQUIRED),
            parameters().grammar(new Pattern("(")),
            parameters().templateVariables(Map.of("messages", List.of())),
            parameters().grammar(new Pattern("a")).responseFormat(ResponseFormat.JSON),
            parameters().toolSpecifications(List.of(HUNT, HUNT)))) {
      ChatRequest request = request(wrong.build());
      assertThrows(InvalidRequestException.class, () -> model.chat(request), request::toString);
    }
  }

  @Test
  void anAnswerThatTakesTooLongIsATimeout() {
    ChatRequest request = request(parameters().timeout(Duration.ofNanos(1)).build());
    assertThrows(TimeoutException.class, () -> model.chat(request));
  }

  @Test
  void anInterruptEndsTheAnswer() {
    boolean interrupted;
    LangChain4jException caught;
    Thread.currentThread().interrupt();
    try {
      ChatRequest request = request(parameters().build());
      caught = assertThrows(LangChain4jException.class, () -> model.chat(request));
    } finally {
      interrupted = Thread.interrupted();
    }
    assertTrue(caught.getCause() instanceof InterruptedException, () -> "" + caught);
    assertTrue(interrupted, "whoever interrupted still sees it");
  }

  @Test
  void aClosedEngineIsNotWorthAskingAgain() {
    Engine closed = Demo.open();
    YuzuiChatModel late = YuzuiChatModel.of(closed, Demo.options(closed));
    closed.close();
    RuntimeException failure = assertThrows(NonRetriableException.class, () -> late.chat("Hans"));
    assertFalse(failure instanceof InvalidRequestException, () -> "" + failure);
  }

  @Test
  void aModelWithoutAChatTemplateGoesOnToTheEndOfAParagraph() {
    try (Engine untaught = Demo.openPlain()) {
      goesOnToTheEndOfAParagraph(untaught);
    }
  }

  private static void goesOnToTheEndOfAParagraph(Engine engine) {
    YuzuiChatModel plain =
        YuzuiChatModel.of(
            engine, ChatModelOptions.DEFAULT.withSampling(SamplingParams.DEFAULT.withSeed(7)));
    ChatResponse response = plain.chat(request(parameters().maxOutputTokens(40).build()));
    assertEquals(
        engine.tokenizer().encode("Once upon a time", true).length,
        response.tokenUsage().inputTokenCount());
    assertFalse(response.aiMessage().text().contains("\n\n"));
    YuzuiStreamingChatModel streaming = YuzuiStreamingChatModel.of(engine);
    StreamingChatResponseHandler nothing = new Nothing();
    for (var more :
        List.of(
            parameters().toolSpecifications(HUNT),
            parameters().templateVariables(Map.of("tone", "sad")),
            parameters().templateVariables(Map.of("enable_thinking", true)))) {
      ChatRequest request = request(more.build());
      String refused =
          assertThrows(UnsupportedFeatureException.class, () -> plain.chat(request)).getMessage();
      assertTrue(
          refused.matches(
              "(tools|templateVariables): this model has no chat template .*withTemplate"),
          refused);
      assertThrows(
          UnsupportedFeatureException.class,
          () -> streaming.chat(request, nothing),
          "where the request is made");
    }
    var hunts =
        ChatModelOptions.DEFAULT.withParameters(parameters().toolSpecifications(HUNT).build());
    assertThrows(UnsupportedFeatureException.class, () -> YuzuiChatModel.of(engine, hunts));
  }

  private static final class Nothing implements StreamingChatResponseHandler {
    @Override
    public void onCompleteResponse(ChatResponse response) {
      throw new AssertionError("answered: " + response);
    }

    @Override
    public void onError(Throwable error) {
      throw new AssertionError("too late", error);
    }
  }
}
