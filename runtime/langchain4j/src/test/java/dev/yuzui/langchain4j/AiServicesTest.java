package dev.yuzui.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import dev.yuzui.engine.Engine;
import dev.yuzui.grammar.GrammarSource.Choices;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** LangChain4j's services, which read answers into classes and run tools, work on the models. */
class AiServicesTest {
  private static Engine engine;

  @BeforeAll
  static void open() {
    engine = Demo.open();
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  enum Animal {
    WOLF,
    FOX,
    GOAT
  }

  /** Read from an answer. */
  record Beast(
      @JsonProperty(required = true) Animal animal, @JsonProperty(required = true) boolean tame) {}

  interface Zoo {
    Beast beast(String tale);
  }

  interface Hunter {
    String hunt(String tale);
  }

  interface Teller {
    TokenStream tell(String tale);
  }

  static final class Forest {
    final List<Animal> hunted = new ArrayList<>();

    @Tool("Hunts an animal")
    String hunt(Animal animal) {
      hunted.add(animal);
      return "It got away.";
    }
  }

  @Test
  void anAnswerIsReadIntoARecord() {
    Zoo zoo = AiServices.create(Zoo.class, YuzuiChatModel.of(engine, Demo.options(engine)));
    assertNotNull(zoo.beast("Once upon a time there was an animal.").animal());
  }

  /** The embedded model calls only where it must: at first. */
  @Test
  void aToolIsRunAndItsResultAnswered() {
    Forest forest = new Forest();
    Hunter hunter =
        AiServices.builder(Hunter.class)
            .chatModel(YuzuiChatModel.of(engine, Demo.options(engine)))
            .tools(forest)
            .chatRequestTransformer(AiServicesTest::callAtFirst)
            .build();
    assertEquals("The wolf is gone.", hunter.hunt("Hunt!"));
    assertEquals(1, forest.hunted.size());
  }

  private static ChatRequest callAtFirst(ChatRequest request) {
    var parameters = YuzuiChatRequestParameters.builder().overrideWith(request.parameters());
    if (request.messages().getLast() instanceof UserMessage) {
      parameters.toolChoice(ToolChoice.REQUIRED).parallelToolCalls(false);
    } else {
      parameters.toolChoice(ToolChoice.NONE).grammar(new Choices(List.of("The wolf is gone.")));
    }
    return request.toBuilder().parameters(parameters.build()).build();
  }

  @Test
  void aStreamIsTold() throws Exception {
    Teller teller =
        AiServices.builder(Teller.class)
            .streamingChatModel(
                YuzuiStreamingChatModel.of(
                    engine,
                    Demo.options(
                        engine, YuzuiChatRequestParameters.builder().maxOutputTokens(20).build())))
            .build();
    CompletableFuture<String> whole = new CompletableFuture<>();
    StringBuilder parts = new StringBuilder();
    teller
        .tell("Once upon a time")
        .onPartialResponse(parts::append)
        .onCompleteResponse(response -> whole.complete(response.aiMessage().text()))
        .onError(whole::completeExceptionally)
        .start();
    assertEquals(whole.get(), parts.toString());
  }
}
