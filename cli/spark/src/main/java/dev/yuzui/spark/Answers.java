package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.spark.CrashNotes.Lost;
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
import java.util.concurrent.CompletableFuture;
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
  record Of(
      YuzuiBatchConfig config,
      Counters counters,
      List<CrashFolder> crashes,
      Asking asking,
      Wording wording)
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

  /** On its way to its row. */
  private sealed interface Pending {
    Asked asked();

    boolean isDone();
  }

  private record Made(
      Asked asked,
      ParsedRequest task,
      Generation generation,
      CompletableFuture<GenerationResult> result)
      implements Pending {
    @Override
    public boolean isDone() {
      return result.isDone();
    }
  }

  private record Refused(Asked asked, String code, String message) implements Pending {
    static Refused of(Asked asked, RequestProblem why) {
      return new Refused(asked, Requests.code(why.code()), why.getMessage());
    }

    @Override
    public boolean isDone() {
      return true;
    }
  }

  /** Ends a job that is to fail at its first bad row. */
  private static final class BadRowException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    BadRowException(String message) {
      super(message);
    }
  }

  private final Iterator<Row> rows;
  private final YuzuiBatchConfig config;
  private final Counters counters;
  private final Asking asking;
  private final Wording wording;
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
    wording = of.wording();
    Optional<TaskContext> task = Optional.ofNullable(TaskContext.get());
    Engines engines = Engines.ofThisJvm();
    turns = engines.turns();
    Engine mine = turns.during(Answers::requireWanted, () -> engines.take(config));
    engine = mine;
    task.ifPresent(
        t -> t.addTaskCompletionListener((TaskCompletionListener) _ -> engines.giveBack(mine)));
    ServedModel model = Engines.served(engine, config);
    requests = new Requests(config, model);
    fields = AnswerFields.of(model);
    notes = task.flatMap(t -> of.crashes().stream().findFirst().map(c -> c.begin(t)));
    task.ifPresent(t -> t.addTaskCompletionListener((TaskCompletionListener) this::end));
  }

  private void end(TaskContext task) {
    open.forEach(
        pending -> {
          if (pending instanceof Made made) {
            made.generation().cancel();
          }
        });
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
        open.add(new Refused(asked, LOST, message(under, asked, lost.get())));
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
        if (pending instanceof Made made) {
          awaitEnd(made);
        }
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

  private static void awaitEnd(Made made) {
    try {
      await(made);
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
    ParsedRequest task;
    try {
      task = requests.parse(asked.row());
    } catch (EngineException e) {
      return Refused.of(asked, problem(e));
    } catch (RuntimeException e) {
      // one odd row must not end every attempt at the others
      return Refused.of(asked, RequestProblem.of(e).orElseGet(() -> RequestProblem.unexpected(e)));
    }
    try {
      GenerateRequest request = task.prompts().getFirst().request();
      Generation generation = turn.apply(() -> asking.ask(engine, request));
      return new Made(asked, task, generation, generation.result());
    } catch (EngineException e) {
      return Refused.of(asked, problem(e));
    }
  }

  /**
   * What an engine's failure says of a request.
   *
   * @throws EngineException if nothing is wrong with that: Spark tries the task again
   */
  private RequestProblem problem(EngineException e) {
    if (!engine.isUsable()) {
      throw e;
    }
    return RequestProblem.of(e).orElseThrow(() -> e);
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
    return switch (pending) {
      case Made made -> response(made);
      case Refused refused -> failed(refused);
    };
  }

  private Row response(Made made) {
    GenerationResult result;
    try {
      result = await(made);
    } catch (EngineException e) {
      return failed(Refused.of(made.asked(), problem(e)));
    }
    Row response;
    try {
      response = Response.of(fields, made.task(), result);
    } catch (RuntimeException e) {
      return failed(
          Refused.of(
              made.asked(), RequestProblem.of(e).orElseGet(() -> RequestProblem.unexpected(e))));
    }
    counters.answered(made.task().promptTokens(), result.tokens().size());
    return response;
  }

  private Row failed(Refused refused) {
    String message = wording.apply(refused.message());
    if (config.failOnError()) {
      throw new BadRowException(message);
    }
    counters.failed();
    return Response.error(refused.code(), message);
  }

  /** Spark takes back a task that it no longer wants by a flag. */
  private static GenerationResult await(Made made) {
    while (true) {
      requireWanted();
      try {
        return made.result().get(WAIT_MILLIS, TimeUnit.MILLISECONDS);
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
