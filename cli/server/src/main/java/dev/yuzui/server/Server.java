package dev.yuzui.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.anthropic.Messages;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.HttpListener;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.server.http.Route;
import dev.yuzui.server.ollama.Ollama;
import dev.yuzui.server.openai.ChatCompletions;
import dev.yuzui.server.openai.Completions;
import dev.yuzui.server.openai.Responses;
import dev.yuzui.server.status.Models;
import dev.yuzui.server.status.Page;
import dev.yuzui.server.status.Tokens;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * Listens from the beginning, and says that it is loading until it is given a model. Once it is
 * told to drain it finishes what runs and takes nothing more. Thread-safe.
 */
public final class Server implements AutoCloseable {
  private static final Duration LOOK = Duration.ofMillis(5);

  private final ServerOptions options;
  private final HttpListener listener;
  private final long startedAt = Instant.now().getEpochSecond();
  private final CompletableFuture<EngineException> lost = new CompletableFuture<>();
  private volatile Optional<Service> service = Optional.empty();
  private volatile boolean draining;

  private Server(ServerOptions options, Consumer<String> log) {
    this.options = options;
    this.listener = new HttpListener(options.http(), routes(), log);
  }

  /**
   * Begins to listen.
   *
   * @param log for what nobody asked for and somebody should know; never text of a request
   * @throws java.io.UncheckedIOException if the address cannot be listened on; its cause says why
   */
  public static Server open(ServerOptions options, Consumer<String> log) {
    Server server = new Server(options, log);
    try {
      server.listener.listen();
    } catch (RuntimeException e) {
      server.close();
      throw e;
    }
    return server;
  }

  /** Requests are answered with this model from now on. The caller closes the engine, later. */
  public void serve(Engine engine, ServedModel model) {
    service =
        Optional.of(
            new Service(
                engine,
                model,
                options.service(),
                why -> {
                  if (!draining) {
                    lost.complete(why);
                  }
                }));
  }

  public int port() {
    return listener.port();
  }

  /** Done when the engine cannot go on; why. */
  public CompletableFuture<EngineException> lost() {
    return lost.copy();
  }

  /**
   * Takes no more requests, and waits until those in hand are answered and their clients have read
   * it.
   *
   * @return whether all of them were in time
   */
  public boolean drain(Duration grace) throws InterruptedException {
    draining = true;
    long until = System.nanoTime() + grace.toNanos();
    while (listener.inHand() > 0) {
      if (System.nanoTime() - until >= 0) {
        return false;
      }
      Thread.sleep(LOOK);
    }
    return true;
  }

  /** Connections are closed, whatever is on them. */
  @Override
  public void close() {
    draining = true;
    listener.close();
  }

  private Optional<HttpProblem> refusal() {
    return draining
        ? Optional.of(
            HttpProblem.of(503, "shutting_down", "the server is shutting down; ask another")
                .withHeader("Retry-After", "30"))
        : service.isEmpty()
            ? Optional.of(
                HttpProblem.of(503, "model_loading", "the model is loading; ask again soon")
                    .withHeader("Retry-After", "1"))
            : Optional.empty();
  }

  private Optional<HttpProblem> crowded() {
    return refusal().or(() -> service.flatMap(Service::refusal));
  }

  private interface Handler {
    void handle(Service service, Call call) throws InterruptedException;
  }

  private Route.Handler with(Handler handler) {
    return call -> handler.handle(service.orElseThrow(), call);
  }

  private List<Route> routes() {
    List<Route> all = new ArrayList<>();
    BiConsumer<String, Handler> openAi =
        (path, handler) ->
            all.add(Route.post(path, ErrorForm.OPENAI, with(handler)).admittedBy(this::crowded));
    openAi.accept("/v1/chat/completions", (s, call) -> new ChatCompletions(s).answer(call));
    openAi.accept("/v1/completions", (s, call) -> new Completions(s).answer(call));
    openAi.accept("/v1/responses", (s, call) -> new Responses(s).answer(call));
    all.add(
        Route.post("/v1/messages", ErrorForm.ANTHROPIC, with((s, c) -> new Messages(s).answer(c)))
            .admittedBy(this::crowded));
    all.add(
        Route.post("/api/chat", ErrorForm.OLLAMA, with((s, c) -> new Ollama(s).chat(c)))
            .admittedBy(this::crowded));
    all.add(
        Route.post("/api/generate", ErrorForm.OLLAMA, with((s, c) -> new Ollama(s).generate(c)))
            .admittedBy(this::crowded));
    // these take no sequence
    List<Route> light =
        List.of(
            Route.post(
                "/v1/messages/count_tokens",
                ErrorForm.ANTHROPIC,
                with((s, c) -> new Messages(s).count(c))),
            Route.get("/api/tags", ErrorForm.OLLAMA, with((s, c) -> new Ollama(s).tags(c))),
            Route.get("/api/version", ErrorForm.OLLAMA, with((s, c) -> new Ollama(s).version(c))),
            Route.post("/tokenize", ErrorForm.OPENAI, with((s, c) -> new Tokens(s).tokenize(c))),
            Route.post(
                "/detokenize", ErrorForm.OPENAI, with((s, c) -> new Tokens(s).detokenize(c))),
            Route.post(
                "/apply-template",
                ErrorForm.OPENAI,
                with((s, c) -> new Tokens(s).applyTemplate(c))),
            Route.get("/v1/models", ErrorForm.OPENAI, with((s, c) -> models(s).list(c))),
            Route.get("/props", ErrorForm.OPENAI, with((s, c) -> models(s).props(c))),
            Route.get("/slots", ErrorForm.OPENAI, with((s, c) -> models(s).slots(c))),
            Route.get("/metrics", ErrorForm.OPENAI, with((s, c) -> models(s).metrics(c))));
    light.forEach(route -> all.add(route.admittedBy(this::refusal)));
    all.add(
        Route.get(
                "/health",
                ErrorForm.OPENAI,
                call -> call.json(JsonNodeFactory.instance.objectNode().put("status", "ok")))
            .opened()
            .admittedBy(this::refusal));
    if (options.page()) {
      all.addAll(Page.routes());
    }
    return all;
  }

  private Models models(Service s) {
    return new Models(s, startedAt);
  }
}
