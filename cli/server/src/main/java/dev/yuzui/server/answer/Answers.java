package dev.yuzui.server.answer;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.server.http.Call;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A request's answers on their way from the engine's thread to the request's. A client that leaves
 * ends them at once. What waits here is at most what the answers' limits allow.
 */
final class Answers implements AutoCloseable {
  /** What happens to an answer. */
  sealed interface Event {
    record Prompt(int done, int total) implements Event {}

    record Token(int choice, Piece piece) implements Event {}

    record Done(int choice, GenerationResult result) implements Event {}

    record Failed(EngineException why) implements Event {}

    /** Nobody waits for it. */
    record Gone() implements Event {}
  }

  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final List<Generation> generations = new ArrayList<>();

  /**
   * @param timeout of each answer, waiting included
   */
  Answers(Engine engine, Call call, ParsedRequest request, Optional<Duration> timeout) {
    int choice = 0;
    for (ParsedRequest.Prompt prompt : request.prompts()) {
      int first = choice;
      GenerateRequest asked = timeout.map(prompt.request()::withTimeout).orElse(prompt.request());
      List<Generation> made =
          engine.generate(asked, request.answers(), i -> new Listener(first + i));
      for (Generation generation : made) {
        int index = choice++;
        generations.add(generation);
        CompletableFuture<?> _ =
            generation
                .result()
                .whenComplete((result, failure) -> events.add(ended(index, result, failure)));
      }
    }
    call.onGone(
        () -> {
          cancel();
          events.add(new Event.Gone());
        });
  }

  private static Event ended(int index, GenerationResult result, Throwable failure) {
    return switch (failure) {
      case null -> new Event.Done(index, result);
      case CompletionException e when e.getCause() instanceof EngineException why ->
          new Event.Failed(why);
      case EngineException why -> new Event.Failed(why);
      default -> new Event.Failed(new EngineException(failure.toString(), failure));
    };
  }

  private final class Listener implements GenerationListener {
    private final int choice;
    private Optional<TokenLogprobs> logprobs = Optional.empty();

    Listener(int choice) {
      this.choice = choice;
    }

    @Override
    public void prompt(int done, int total) {
      if (choice == 0) {
        events.add(new Event.Prompt(done, total));
      }
    }

    @Override
    public void logprobs(TokenLogprobs token) {
      logprobs = Optional.of(token);
    }

    @Override
    public void token(int id, String text) {
      events.add(new Event.Token(choice, new Piece(id, text, logprobs)));
      logprobs = Optional.empty();
    }
  }

  /** The next event; empty if none comes for so long. */
  Optional<Event> next(Duration patience) throws InterruptedException {
    return Optional.ofNullable(events.poll(patience.toNanos(), TimeUnit.NANOSECONDS));
  }

  private void cancel() {
    generations.forEach(Generation::cancel);
  }

  /** What is not done is not made. */
  @Override
  public void close() {
    cancel();
  }
}
