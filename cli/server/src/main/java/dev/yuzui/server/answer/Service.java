package dev.yuzui.server.answer;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestParser;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.server.answer.Answers.Event;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.ClientGone;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.TextException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** Answers requests with an engine. Thread-safe. */
public final class Service {
  /** Bodies that are made into prompts at a time: templates and tokenizers compute. */
  private static final int PARSERS = Math.max(2, Runtime.getRuntime().availableProcessors());

  private final Engine engine;
  private final ServedModel model;
  private final RequestParser parser;
  private final ServiceOptions options;
  private final ServerMetrics metrics;
  private final Consumer<EngineException> lost;
  private final Semaphore parsing = new Semaphore(PARSERS);
  private final AtomicInteger inHand = new AtomicInteger();

  /** Mean time that an answer takes, in seconds. */
  private volatile double usual = 1;

  /**
   * @param lost told when the engine cannot go on
   */
  public Service(
      Engine engine, ServedModel model, ServiceOptions options, Consumer<EngineException> lost) {
    this.engine = engine;
    this.model = model;
    this.parser = new RequestParser(model);
    this.options = options;
    this.metrics = new ServerMetrics(engine, model.name());
    this.lost = lost;
  }

  public Engine engine() {
    return engine;
  }

  public ServedModel model() {
    return model;
  }

  public ServerMetrics metrics() {
    return metrics;
  }

  public ServiceOptions options() {
    return options;
  }

  /** Why one more answer would wait too long, if it would. */
  public Optional<HttpProblem> refusal() {
    return inHand.get() < most() ? Optional.empty() : Optional.of(full());
  }

  private int most() {
    return engine.options().maxSequences() + options.maxQueue();
  }

  private HttpProblem full() {
    long seconds =
        Math.clamp(Math.round(usual * options.maxQueue() / engine.options().maxSequences()), 1, 60);
    metrics.failed("queue_full");
    return HttpProblem.of(
            429,
            "queue_full",
            "expected at most "
                + options.maxQueue()
                + " answers that wait, and so many do (--max-queue); ask again in "
                + seconds
                + " s")
        .withHeader("Retry-After", Long.toString(seconds));
  }

  /** What {@code body} asks for; {@link RequestParser#chat} and its siblings make it. */
  public ParsedRequest parsed(RequestFields body, Function<RequestParser, ParsedRequest> make)
      throws InterruptedException {
    return computed(
        () -> {
          Limits.check(body);
          return make.apply(parser);
        });
  }

  /** Something of a request that takes a processor's time. */
  public <T> T computed(Supplier<T> work) throws InterruptedException {
    parsing.acquire();
    try {
      return work.get();
    } catch (RequestProblem e) {
      throw problem(e);
    } catch (TextException | EngineException e) {
      throw HttpProblem.of(400, "invalid_request", e.getMessage());
    } catch (IllegalArgumentException e) {
      throw HttpProblem.of(400, "invalid_request", String.valueOf(e.getMessage()));
    } finally {
      parsing.release();
    }
  }

  /** A body's fields; a long one takes a processor's time, and many times its length. */
  public RequestFields fields(Call call) throws InterruptedException {
    return computed(() -> RequestFields.parseBody(call.takeBody()));
  }

  /** A value of a body's fields, which may be of the wrong type. */
  public static <T> T field(Supplier<T> read) {
    try {
      return read.get();
    } catch (RequestProblem e) {
      throw problem(e);
    }
  }

  private static HttpProblem problem(RequestProblem e) {
    HttpProblem problem =
        HttpProblem.of(
            e.code().status(),
            e.code() == RequestProblem.Code.INVALID_JSON_LINE ? "invalid_json" : "invalid_request",
            e.getMessage());
    return e.field().map(problem::about).orElse(problem);
  }

  /**
   * Of a request that is to be answered.
   *
   * @param field that its prompts came in
   * @throws HttpProblem if one of them fills the context
   */
  public void requireRoom(ParsedRequest request, String field) {
    int length =
        request.prompts().stream().mapToInt(p -> p.request().prompt().size()).max().orElse(0);
    if (length >= engine.contextLength()) {
      metrics.failed("context_length_exceeded");
      throw HttpProblem.of(
              400,
              "context_length_exceeded",
              "This model's maximum context length is "
                  + engine.contextLength()
                  + " tokens. However, the prompt has "
                  + length
                  + " tokens; make it shorter.")
          .about(field);
    }
  }

  /**
   * Answers a request, and tells it. Returns when all is told.
   *
   * @throws HttpProblem if it cannot be answered and nothing was told yet
   * @throws ClientGone if the client left
   */
  public void answer(Call call, ParsedRequest request, Teller teller) throws InterruptedException {
    admit(request.choices());
    long start = System.nanoTime();
    try (Answers answers = new Answers(engine, call, request, options.requestTimeout())) {
      teller.end(follow(request, answers, call, teller, start));
    } catch (HttpProblem problem) {
      metrics.failed(problem.code());
      if (!teller.begun()) {
        throw problem;
      }
      teller.failed(problem);
    } catch (ClientGone gone) {
      metrics.failed("client_gone");
      throw gone;
    } finally {
      inHand.addAndGet(-request.choices());
      usual = 0.8 * usual + 0.2 * seconds(start);
    }
  }

  private void admit(int choices) {
    if (choices > most()) {
      throw HttpProblem.of(
              400,
              "invalid_request",
              "n: expected at most " + most() + " answers to a request, found " + choices)
          .about("n");
    }
    if (inHand.addAndGet(choices) > most()) {
      inHand.addAndGet(-choices);
      throw full();
    }
  }

  private Answered follow(
      ParsedRequest request, Answers answers, Call call, Teller teller, long start)
      throws InterruptedException {
    boolean apart = model.reasoning() != ReasoningFilter.Mode.SHOW;
    List<Choice> choices =
        IntStream.range(0, request.choices())
            .mapToObj(i -> new Choice(i, request, model.reading(), apart))
            .toList();
    long[] last = new long[choices.size()];
    List<Answer> done = new ArrayList<>();
    while (done.size() < choices.size()) {
      Optional<Event> next = answers.next(options.ping());
      if (next.isEmpty()) {
        teller.ping();
        continue;
      }
      switch (next.get()) {
        case Event.Prompt(int read, int total) -> teller.progress(read, total);
        case Event.Token(int choice, Piece piece) -> {
          time(last, choice, start);
          List<OutputEvent> events = choices.get(choice).push(piece);
          teller.piece(choice, piece, events);
        }
        case Event.Done(int choice, var result) -> {
          if (result.finish() == FinishReason.CANCELLED) {
            call.requireClient();
            throw HttpProblem.of(503, "cancelled", "the answer was cancelled");
          }
          if (result.finish() == FinishReason.TIMEOUT) {
            throw HttpProblem.of(
                504,
                "request_timeout",
                "expected an answer within "
                    + options.requestTimeout().orElse(Duration.ZERO).toMillis()
                    + " ms (--request-timeout), found "
                    + result.tokens().size()
                    + " tokens by then");
          }
          List<OutputEvent> events = choices.get(choice).finish();
          Answer answer = choices.get(choice).answer(result);
          done.add(answer);
          metrics.done(answer, seconds(start));
          teller.done(answer, events);
        }
        case Event.Failed(EngineException why) -> throw failure(why);
        case Event.Gone() -> call.requireClient();
      }
    }
    done.sort(Comparator.comparingInt(Answer::choice));
    return new Answered(request, done);
  }

  private void time(long[] last, int choice, long start) {
    long now = System.nanoTime();
    if (last[choice] == 0) {
      metrics.firstToken((now - start) * 1e-9);
    } else {
      metrics.interToken((now - last[choice]) * 1e-9);
    }
    last[choice] = now;
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) * 1e-9;
  }

  /** Of a request that the engine could not meet; an engine that cannot go on ends the server. */
  private HttpProblem failure(EngineException why) {
    String message = options.wording().apply(why.getMessage());
    if (!engine.isUsable()) {
      lost.accept(why);
      return HttpProblem.of(503, "engine_lost", message);
    }
    return RequestProblem.of(why)
        .map(
            problem ->
                HttpProblem.of(
                    problem.code().status(),
                    problem.code().status() < 500 ? "invalid_request" : "not_numbers",
                    message))
        .orElseGet(() -> HttpProblem.of(500, "engine_failed", message));
  }
}
