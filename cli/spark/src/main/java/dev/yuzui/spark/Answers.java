package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.RequestProblem.Code;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.spark.CrashNotes.Lost;
import dev.yuzui.text.TextException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.util.TaskCompletionListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The rows of a partition with their answers. As many are in work or wait for their turn as the
 * engine runs, twice over; rows are read some thousands at a time and asked for in the order of
 * their texts, so that those that begin alike find each other's pages. What a task leaves behind
 * when it ends is cancelled. Where there is a crash folder, requests that an attempt before this
 * had under way when its process ended are asked first, one at a time, and one that ended a process
 * alone is not asked again.
 */
final class Answers implements Iterator<Row> {
  private static final Logger LOG = LoggerFactory.getLogger(Answers.class);
  private static final int SORTED = 4096;
  private static final int AHEAD = 2;
  private static final int NOTES_A_ROUND = 4;
  private static final long WAIT_MILLIS = 200;
  private static final String LOST = "process_lost";

  /**
   * What makes answers of rows, as it travels to the executors.
   *
   * @param crashes one, or none
   */
  record Of(YuzuiBatchConfig config, Counters counters, List<CrashFolder> crashes, Asking asking)
      implements Serializable {
    private static final long serialVersionUID = 1L;

    Answers to(Iterator<Row> rows) {
      return new Answers(rows, this);
    }
  }

  /**
   * @param name as notes have it; empty where there are none
   */
  private record Asked(Row row, String name) {}

  /**
   * @param task and {@code generation}, or {@code error} in their place
   */
  private record Pending(
      Asked asked,
      Optional<ParsedRequest> task,
      Optional<Generation> generation,
      Optional<RuntimeException> error) {
    boolean isDone() {
      return generation.map(made -> made.result().isDone()).orElse(true);
    }
  }

  private static final class LostException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    LostException(String message) {
      super(message);
    }
  }

  private final Iterator<Row> rows;
  private final YuzuiBatchConfig config;
  private final Counters counters;
  private final Asking asking;
  private final Engine engine;
  private final Turns turns;
  private final Requests requests;
  private final AnswerFields fields;
  private final Optional<UnderWay> notes;
  private final Deque<Asked> sorted = new ArrayDeque<>();
  private final Deque<Pending> open = new ArrayDeque<>();

  Answers(Iterator<Row> rows, Of of) {
    this.rows = rows;
    config = of.config();
    counters = of.counters();
    asking = of.asking();
    engine = Engines.ofThisJvm().engine(config);
    turns = Engines.ofThisJvm().turns();
    ServedModel model = Engines.served(engine, config);
    requests = new Requests(config, model);
    fields = AnswerFields.of(model);
    Optional<TaskContext> task = Optional.ofNullable(TaskContext.get());
    notes =
        task.flatMap(
            t -> of.crashes().stream().findFirst().map(c -> c.begin(t, config.response())));
    task.ifPresent(t -> t.addTaskCompletionListener((TaskCompletionListener) this::end));
  }

  private void end(TaskContext task) {
    open.forEach(pending -> pending.generation().ifPresent(Generation::cancel));
    try {
      notes.ifPresent(under -> end(under, task.isFailed()));
    } catch (UncheckedIOException e) {
      LOG.warn("{}", e.getMessage()); // the rows are well
    }
  }

  private void end(UnderWay under, boolean failed) {
    if (!failed) {
      under.done();
    } else if (engine.isUsable()) {
      under.failed();
    } else {
      under.engineLost("its engine could not go on");
    }
  }

  @Override
  public boolean hasNext() {
    fill();
    return !open.isEmpty();
  }

  private void fill() {
    while (open.size() < AHEAD * config.maxSequences() && (!sorted.isEmpty() || rows.hasNext())) {
      if (sorted.isEmpty()) {
        readMore();
      } else {
        Asked next = sorted.remove();
        notes.ifPresent(under -> note(under, next));
        open.add(ask(next, request -> turns.together(Answers::requireWanted, request)));
      }
    }
  }

  private void readMore() {
    List<Row> some = new ArrayList<>();
    while (some.size() < SORTED && rows.hasNext()) {
      some.add(rows.next());
    }
    some.sort(Comparator.comparing(row -> Requests.key(config, row)));
    some.stream().map(this::asked).forEach(sorted::add);
    notes.ifPresent(this::setApart);
  }

  private Asked asked(Row row) {
    return new Asked(row, notes.isEmpty() ? "" : Requests.name(config, row));
  }

  /** Takes those out of what was read that are not asked as others are. */
  private void setApart(UnderWay under) {
    List<Asked> suspects = new ArrayList<>();
    for (Iterator<Asked> each = sorted.iterator(); each.hasNext(); ) {
      Asked asked = each.next();
      Optional<Lost> lost = under.lost(asked.name());
      if (lost.isPresent()) {
        open.add(failed(asked, new LostException(message(under, asked, lost.get()))));
        each.remove();
      } else if (under.isSuspect(asked.name())) {
        suspects.add(asked);
        each.remove();
      }
    }
    if (!suspects.isEmpty()) {
      LOG.info("{} requests were under way when a process ended: one at a time", suspects.size());
      turns.alone(Answers::requireWanted, () -> alone(under, suspects));
    }
  }

  private String message(UnderWay under, Asked asked, Lost lost) {
    return ("%s: the process of executor %s ended while this request ran in it alone (%s), so it is"
            + " not run again; see that executor's log, give it more memory or change the request;"
            + " without the file %s it is tried again")
        .formatted(
            Requests.said(config, asked.row()),
            lost.executor(),
            lost.reason(),
            under.fileOf(asked.name()));
  }

  /** Answers them as they come up, each when the one before it is over. */
  private void alone(UnderWay under, List<Asked> suspects) {
    try {
      for (Asked suspect : suspects) {
        under.alone(suspect.name());
        Pending pending = ask(suspect, Supplier::get);
        open.add(pending);
        pending.generation().ifPresent(this::awaitEnd);
        if (!engine.isUsable()) {
          throw new EngineException("the engine could not go on after a request that was alone");
        }
        under.cleared(suspect.name());
      }
    } finally {
      if (engine.isUsable()) { // else it is as if the process had ended
        under.together();
      }
    }
  }

  private void awaitEnd(Generation generation) {
    try {
      await(generation);
    } catch (EngineException _) {
      // said when it is the row's turn
    }
  }

  /** Notes a request with those that are next, if that was not done yet. */
  private void note(UnderWay under, Asked next) {
    if (under.isNoted(next.name())) {
      return;
    }
    Set<String> names = new HashSet<>();
    open.stream().filter(p -> !p.isDone()).forEach(p -> names.add(p.asked().name()));
    names.add(next.name());
    sorted.stream()
        .limit(Math.max(1, config.maxSequences() / NOTES_A_ROUND))
        .forEach(asked -> names.add(asked.name()));
    under.note(names);
  }

  /**
   * @param turn when the engine is given it
   */
  private Pending ask(Asked asked, Function<Supplier<Generation>, Generation> turn) {
    try {
      ParsedRequest task = requests.parse(asked.row());
      GenerateRequest request = task.prompts().getFirst().request();
      Generation generation = turn.apply(() -> asking.ask(engine, request));
      return new Pending(asked, Optional.of(task), Optional.of(generation), Optional.empty());
    } catch (RequestProblem | TextException | EngineException e) {
      return failed(asked, e);
    }
  }

  private static Pending failed(Asked asked, RuntimeException why) {
    return new Pending(asked, Optional.empty(), Optional.empty(), Optional.of(why));
  }

  @Override
  public Row next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    Pending pending = open.element();
    Row response = response(pending);
    open.remove();
    Object[] values = new Object[pending.asked().row().size() + 1];
    for (int i = 0; i < pending.asked().row().size(); i++) {
      values[i] = pending.asked().row().get(i);
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
    } catch (LostException e) {
      return failed(LOST, e);
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
      requireWanted();
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

  private static void requireWanted() {
    if (Optional.ofNullable(TaskContext.get()).map(TaskContext::isInterrupted).orElse(false)) {
      throw new TaskKilledException("interrupted");
    }
  }
}
