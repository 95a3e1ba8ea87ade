package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.RequestProblem.Code;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.text.TextException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The rows of a partition with their answers. As many are in work or wait for their turn as the
 * engine runs, twice over; rows are read some thousands at a time and asked for in the order of
 * their texts, so that those that begin alike find each other's pages. What a task leaves behind
 * when it ends is cancelled.
 */
final class Answers implements Iterator<Row> {
  private static final int SORTED = 4096;
  private static final int AHEAD = 2;
  private static final long WAIT_MILLIS = 200;

  /**
   * @param task and {@code generation}, or {@code error} in their place
   */
  private record Pending(
      Row row,
      Optional<ParsedRequest> task,
      Optional<Generation> generation,
      Optional<RuntimeException> error) {}

  private final Iterator<Row> rows;
  private final YuzuiBatchConfig config;
  private final Counters counters;
  private final Engine engine;
  private final Requests requests;
  private final AnswerFields fields;
  private final Deque<Row> sorted = new ArrayDeque<>();
  private final Deque<Pending> open = new ArrayDeque<>();

  Answers(Iterator<Row> rows, YuzuiBatchConfig config, Counters counters) {
    this.rows = rows;
    this.config = config;
    this.counters = counters;
    engine = Engines.ofThisJvm().engine(config);
    ServedModel model = Engines.served(engine, config);
    requests = new Requests(config, model);
    fields = AnswerFields.of(model);
    Optional.ofNullable(TaskContext.get())
        .ifPresent(task -> task.addTaskCompletionListener((TaskCompletionListener) _ -> cancel()));
  }

  private void cancel() {
    open.forEach(pending -> pending.generation().ifPresent(Generation::cancel));
  }

  @Override
  public boolean hasNext() {
    fill();
    return !open.isEmpty();
  }

  private void fill() {
    while (open.size() < AHEAD * config.maxSequences() && readMore()) {
      open.add(ask(sorted.remove()));
    }
  }

  private boolean readMore() {
    if (sorted.isEmpty() && rows.hasNext()) {
      List<Row> some = new ArrayList<>();
      while (some.size() < SORTED && rows.hasNext()) {
        some.add(rows.next());
      }
      some.sort(Comparator.comparing(row -> Requests.key(config, row)));
      sorted.addAll(some);
    }
    return !sorted.isEmpty();
  }

  private Pending ask(Row row) {
    try {
      ParsedRequest task = requests.parse(row);
      Generation generation = engine.generate(task.prompts().getFirst().request());
      return new Pending(row, Optional.of(task), Optional.of(generation), Optional.empty());
    } catch (RequestProblem | TextException | EngineException e) {
      return new Pending(row, Optional.empty(), Optional.empty(), Optional.of(e));
    }
  }

  @Override
  public Row next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    Pending pending = open.element();
    Row response = response(pending);
    open.remove();
    Object[] values = new Object[pending.row().size() + 1];
    for (int i = 0; i < pending.row().size(); i++) {
      values[i] = pending.row().get(i);
    }
    values[values.length - 1] = response;
    return RowFactory.create(values);
  }

  private Row response(Pending pending) {
    try {
      if (pending.error().isPresent()) {
        throw pending.error().get();
      }
      ParsedRequest task = pending.task().orElseThrow();
      GenerationResult result = await(pending.generation().orElseThrow());
      counters.answered(task.promptTokens(), result.tokens().size());
      return Response.of(fields, task, result);
    } catch (RequestProblem e) {
      return failed(Requests.code(e.code()), e);
    } catch (TextException e) {
      return failed(Requests.code(Code.INVALID_REQUEST), e);
    } catch (EngineException e) {
      if (!engine.isUsable()) {
        throw e; // nothing is wrong with the request: Spark tries the task again
      }
      if (e.getCause() == null) {
        return failed(Requests.code(Code.INVALID_REQUEST), e);
      }
      if (e.getCause() instanceof SamplingException) {
        return failed(Requests.code(Code.SERVER_ERROR), e);
      }
      throw e;
    }
  }

  private Row failed(String code, RuntimeException why) {
    if (config.failOnError()) {
      throw why;
    }
    counters.failed();
    return Response.error(code, why.getMessage());
  }

  /** Spark takes back a task that it no longer wants by a flag. */
  private static GenerationResult await(Generation generation) {
    while (true) {
      Optional.ofNullable(TaskContext.get()).ifPresent(Answers::requireWanted);
      try {
        return generation.result().get(WAIT_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException _) {
        // not yet
      } catch (ExecutionException e) {
        throw e.getCause() instanceof EngineException known
            ? known
            : new EngineException(e.getMessage(), e);
      } catch (InterruptedException _) {
        Thread.currentThread().interrupt();
        throw new TaskKilledException("interrupted");
      }
    }
  }

  private static void requireWanted(TaskContext task) {
    if (task.isInterrupted()) {
      throw new TaskKilledException("interrupted");
    }
  }
}
