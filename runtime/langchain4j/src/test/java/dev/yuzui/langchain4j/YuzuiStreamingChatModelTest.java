package dev.yuzui.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.yuzui.engine.Engine;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Answers are told as they are made. */
class YuzuiStreamingChatModelTest {
  private static Engine engine;

  @BeforeAll
  static void open() {
    engine = Demo.open();
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  /** What was told, in one text: thoughts in brackets. */
  private static class Heard implements StreamingChatResponseHandler {
    final StringBuilder text = new StringBuilder();
    final CompletableFuture<ChatResponse> done = new CompletableFuture<>();

    @Override
    public void onPartialResponse(String part) {
      text.append(part);
    }

    @Override
    public void onPartialThinking(PartialThinking part) {
      text.append('[').append(part.text()).append(']');
    }

    @Override
    public void onCompleteResponse(ChatResponse response) {
      done.complete(response);
    }

    @Override
    public void onError(Throwable error) {
      done.completeExceptionally(error);
    }
  }

  private static ChatRequest request(String said, ChatRequestParameters parameters) {
    return ChatRequest.builder().messages(UserMessage.from(said)).parameters(parameters).build();
  }

  private static YuzuiStreamingChatModel model() {
    return YuzuiStreamingChatModel.of(engine, Demo.options(engine));
  }

  @Test
  void thePartsAreTheAnswerThatIsMadeWithoutThem() throws Exception {
    ChatRequest request =
        request("The old king", YuzuiChatRequestParameters.builder().maxOutputTokens(40).build());
    Heard heard = new Heard();
    model().chat(request, heard);
    ChatResponse response = heard.done.get();
    assertEquals(response.aiMessage().text(), heard.text.toString());
    assertEquals(
        YuzuiChatModel.of(engine, Demo.options(engine)).chat(request).aiMessage(),
        response.aiMessage());
  }

  @Test
  void thoughtsAreToldApart() throws Exception {
    var thinks =
        new Sequence(
            List.of(
                new Template("<think>"),
                new Choices(List.of("Hm")),
                new Template("</think>"),
                new Choices(List.of("No."))));
    Heard heard = new Heard();
    model().chat(request("?", YuzuiChatRequestParameters.builder().grammar(thinks).build()), heard);
    assertEquals("Hm", heard.done.get().aiMessage().thinking());
    assertEquals("[Hm]No.", heard.text.toString().replace("][", ""));
  }

  @Test
  void whoCancelsHearsNoMoreAndTheEngineIsFree() throws Exception {
    AtomicInteger parts = new AtomicInteger();
    AtomicReference<StreamingHandle> handle = new AtomicReference<>();
    CountDownLatch cancelled = new CountDownLatch(1);
    Heard heard =
        new Heard() {
          @Override
          public void onPartialResponse(PartialResponse part, PartialResponseContext context) {
            handle.set(context.streamingHandle());
            assertFalse(handle.get().isCancelled());
            if (parts.incrementAndGet() == 5) {
              handle.get().cancel();
              handle.get().cancel(); // once more is nothing
              cancelled.countDown();
            }
          }
        };
    model().chat(request("A long tale", ChatRequestParameters.builder().build()), heard);
    assertTrue(cancelled.await(30, TimeUnit.SECONDS));
    assertTrue(handle.get().isCancelled());
    for (int i = 0; i < 500 && engine.metrics().requestsRunning() > 0; i++) {
      Thread.sleep(10);
    }
    assertEquals(0, engine.metrics().requestsRunning());
    Thread.sleep(50); // for what might still be told
    assertEquals(5, parts.get());
    assertFalse(heard.done.isDone());
  }

  @Test
  void aHandlerThatWaitsHoldsUpNobody() throws Exception {
    CountDownLatch other = new CountDownLatch(1);
    Heard waits =
        new Heard() {
          @Override
          public void onPartialResponse(String part) {
            try {
              assertTrue(other.await(60, TimeUnit.SECONDS));
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
            super.onPartialResponse(part);
          }
        };
    ChatRequestParameters few = ChatRequestParameters.builder().maxOutputTokens(8).build();
    model().chat(request("The wolf", few), waits);
    Heard quick = new Heard();
    model().chat(request("The fox", few), quick);
    assertEquals(8, quick.done.get(60, TimeUnit.SECONDS).tokenUsage().outputTokenCount());
    other.countDown();
    assertEquals(8, waits.done.get(60, TimeUnit.SECONDS).tokenUsage().outputTokenCount());
  }

  @Test
  void failuresAreTheHandlers() {
    Heard heard = new Heard();
    model().chat(request("wolf ".repeat(600), ChatRequestParameters.builder().build()), heard);
    Throwable failure = assertThrows(ExecutionException.class, heard.done::get).getCause();
    assertInstanceOf(InvalidRequestException.class, failure);
  }

  @Test
  void evenAnErrorOfTheHandlerIsHeard() {
    Heard heard =
        new Heard() {
          @Override
          public void onPartialResponse(String part) {
            throw new AssertionError("of the handler");
          }
        };
    ChatRequestParameters few = ChatRequestParameters.builder().maxOutputTokens(8).build();
    model().chat(request("The wolf", few), heard);
    Throwable failure = assertThrows(ExecutionException.class, heard.done::get).getCause();
    assertEquals("of the handler", failure.getMessage());
  }
}
