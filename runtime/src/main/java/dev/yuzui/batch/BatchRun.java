package dev.yuzui.batch;

import dev.yuzui.batch.BatchLines.Line;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.io.Texts;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.BatchEnvelope;
import dev.yuzui.openai.BatchParser;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestParser;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.text.TextException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;

/**
 * Reads lines on a thread of its own, as far ahead as the window allows, and appends their results
 * on the caller's. What is held is bounded by the window, whatever the input's length.
 */
public final class BatchRun {
  /** What answers requests. */
  public interface Generator {
    /** Several answers to one prompt; their seeds count up from the request's. */
    List<CompletableFuture<GenerationResult>> generate(GenerateRequest request, int answers);

    static Generator of(Engine engine) {
      return (request, answers) ->
          engine.generate(request, answers).stream().map(Generation::result).toList();
    }
  }

  /**
   * @param window answers that are made or wait for their turn, at most
   * @param ordered append in the input's order, not as finished
   * @param wording of the messages that lines get, which name options as Java has them
   */
  public record Options(int window, boolean ordered, UnaryOperator<String> wording) {}

  private static final long WAIT_MILLIS = 100;

  private final BatchLines input;
  private final BatchOutput output;
  private final BatchParser parser;
  private final BatchReply reply;
  private final Generator generator;
  private final Options options;
  private final Semaphore room;
  private final BatchIds ids = new BatchIds();
  private volatile boolean atInput;

  /** Lines for {@link #append}; an empty entry only wakes it. */
  private final BlockingQueue<Optional<Pending>> queue = new LinkedBlockingQueue<>();

  public BatchRun(
      BatchLines input,
      BatchOutput output,
      ServedModel model,
      Generator generator,
      Options options) {
    this.input = input;
    this.output = output;
    this.parser = new BatchParser(new RequestParser(model));
    this.reply = new BatchReply(model.name(), AnswerFields.of(model), options.wording());
    this.generator = generator;
    this.options = options;
    this.room = new Semaphore(options.window());
  }

  /**
   * A line on its way.
   *
   * @param permits of the window that it holds
   */
  private record Pending(
      Line line,
      Optional<BatchEnvelope> envelope,
      Optional<ParsedRequest> task,
      List<CompletableFuture<GenerationResult>> results,
      CompletableFuture<Void> all,
      int permits) {}

  /** Ends the run when a line was cancelled, which only an interrupt does. */
  private static final class Cancelled extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /**
   * Returns when every line has its result, or soon after {@code interrupted}, whose work in hand
   * is dropped.
   *
   * @return whether all lines are done
   */
  public boolean run(BatchListener listener, BooleanSupplier interrupted) {
    CompletableFuture<Long> reading = new CompletableFuture<>();
    Thread reader =
        Thread.ofPlatform()
            .daemon()
            .name("batch-reader")
            .start(
                () -> {
                  try {
                    reading.complete(read());
                  } catch (Throwable e) {
                    reading.completeExceptionally(e);
                  }
                  queue.add(Optional.empty());
                });
    try {
      return append(reading, listener, interrupted);
    } catch (InterruptedException | Cancelled _) {
      return false;
    } finally {
      stop(reader);
    }
  }

  private boolean append(
      CompletableFuture<Long> reading, BatchListener listener, BooleanSupplier interrupted)
      throws InterruptedException {
    long appended = 0;
    Optional<Pending> head = Optional.empty();
    while (!interrupted.getAsBoolean()) {
      if (reading.isCompletedExceptionally()) {
        throw unchecked(reading.exceptionNow());
      }
      if (head.isEmpty()) {
        if (reading.isDone() && reading.resultNow() == appended) {
          return true;
        }
        head =
            Objects.requireNonNullElse(
                queue.poll(WAIT_MILLIS, TimeUnit.MILLISECONDS), Optional.empty());
      }
      if (head.isPresent() && isComplete(head.get())) {
        append(head.get(), listener);
        room.release(head.get().permits());
        appended++;
        head = Optional.empty();
      }
      listener.tick();
    }
    return false;
  }

  private static boolean isComplete(Pending pending) throws InterruptedException {
    try {
      pending.all().get(WAIT_MILLIS, TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException _) {
      return false;
    } catch (ExecutionException _) {
      return true; // each of the results says what happened to it
    }
  }

  private void append(Pending pending, BatchListener listener) {
    try {
      List<GenerationResult> results = pending.results().stream().map(BatchRun::result).toList();
      ParsedRequest task = pending.task().orElseThrow();
      output.append(row(pending, task, results));
      listener.answered(task.promptTokens(), AnswerFields.generatedTokens(results));
    } catch (RequestProblem e) {
      output.append(reply.failed(pending.line(), pending.envelope(), e));
      listener.failed();
    }
  }

  private String row(Pending pending, ParsedRequest task, List<GenerationResult> results) {
    try {
      return reply.done(pending.line(), pending.envelope().orElseThrow(), task, results);
    } catch (RuntimeException e) {
      throw RequestProblem.unexpected(e); // as where it is read
    }
  }

  /** What concerns one request is that line's problem; anything else ends the batch. */
  private static GenerationResult result(CompletableFuture<GenerationResult> future) {
    if (future.state() != CompletableFuture.State.SUCCESS) {
      if (future.isCancelled()) {
        throw new Cancelled();
      }
      Throwable failure = future.exceptionNow();
      Optional<RequestProblem> problem = RequestProblem.of(failure);
      throw problem.isPresent() ? problem.get() : unchecked(failure);
    }
    if (future.resultNow().finish() == FinishReason.CANCELLED) {
      throw new Cancelled();
    }
    return future.resultNow();
  }

  private static RuntimeException unchecked(Throwable failure) {
    return switch (failure) {
      case RuntimeException e -> e;
      case Error e -> throw e;
      default -> new IllegalStateException(failure);
    };
  }

  /** Returns how many lines have come to the queue or will. */
  private long read() throws InterruptedException {
    long submitted = 0;
    long last = 0;
    BatchDone done = output.done();
    for (Optional<Line> next = next(); next.isPresent(); next = next()) {
      Line line = next.get();
      last = line.number();
      if (done.has(line)) {
        remember(line);
        continue;
      }
      if (options.ordered() && done.beyond(last)) {
        throw BatchException.expected(
            "Batch.resume",
            "an output in the input's order",
            "none of line " + last + " and some of later lines; leave out Batch.ordered as before");
      }
      done.proveBefore(line, input.shard());
      submit(line);
      submitted++;
    }
    done.requireNoneAfter(last, input.shard());
    done.proveAtEnd(input.shard());
    return submitted;
  }

  /** Its name is taken, also where its result is from before, or another shard's. */
  private void remember(Line line) {
    try {
      line.bytes()
          .flatMap(bytes -> BatchEnvelope.of(RequestFields.parse(bytes)).name())
          .ifPresent(name -> ids.add(name, line.number()));
    } catch (RequestProblem _) {
      // its result says so
    }
  }

  private Optional<Line> next() throws InterruptedException {
    atInput = true;
    Optional<Line> line = input.next(this::remember);
    atInput = false;
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    return line;
  }

  private void submit(Line line) throws InterruptedException {
    Optional<BatchEnvelope> envelope = Optional.empty();
    Optional<ParsedRequest> task = Optional.empty();
    Optional<RuntimeException> failure = Optional.empty();
    try {
      byte[] bytes =
          line.bytes()
              .orElseThrow(
                  () ->
                      RequestProblem.of(
                          RequestProblem.Code.INVALID_JSON_LINE,
                          "expected a line of at most " + Texts.bytes(BatchLines.LIMIT)));
      envelope = Optional.of(BatchEnvelope.of(RequestFields.parse(bytes)));
      requireNewName(envelope.get(), line);
      task = Optional.of(parser.parse(envelope.get()));
    } catch (RequestProblem | EngineException | TextException e) {
      failure = Optional.of(e);
    } catch (RuntimeException e) {
      // one odd line must not end every attempt at the others
      failure = Optional.of(RequestProblem.unexpected(e));
    }
    int permits = Math.min(task.map(ParsedRequest::choices).orElse(1), options.window());
    room.acquire(permits);
    List<CompletableFuture<GenerationResult>> results =
        failure.isPresent()
            ? List.of(CompletableFuture.failedFuture(failure.get()))
            : generate(task.orElseThrow());
    CompletableFuture<Void> all =
        CompletableFuture.allOf(results.toArray(CompletableFuture<?>[]::new));
    Pending pending = new Pending(line, envelope, task, results, all, permits);
    if (options.ordered()) {
      queue.add(Optional.of(pending));
    } else {
      CompletableFuture<Void> _ = all.whenComplete((_, _) -> queue.add(Optional.of(pending)));
    }
  }

  private void requireNewName(BatchEnvelope envelope, Line line) {
    envelope
        .name()
        .ifPresent(
            name ->
                ids.add(name, line.number())
                    .ifPresent(
                        first -> {
                          throw RequestProblem.duplicate(name, first);
                        }));
  }

  private List<CompletableFuture<GenerationResult>> generate(ParsedRequest task) {
    return task.prompts().stream()
        .flatMap(prompt -> generator.generate(prompt.request(), task.answers()).stream())
        .toList();
  }

  /**
   * Afterwards the reader uses neither engine nor generator. One that waits for input stays there,
   * for whoever writes the input may never go on.
   */
  private void stop(Thread reader) {
    reader.interrupt();
    try {
      while (reader.isAlive() && !atInput) {
        reader.join(WAIT_MILLIS);
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }
}
