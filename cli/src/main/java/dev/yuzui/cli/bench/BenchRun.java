package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.Benchmark.Measurement;
import dev.yuzui.cli.bench.Benchmark.Row;
import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.weights.Checkpoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Supplier;

/**
 * Runs tests on one backend, or on several in turn: each repetition of a test runs on one after the
 * other, so that what else the machine does falls on all alike.
 */
record BenchRun(
    Context context,
    List<Benchmark> tests,
    boolean warmUp,
    boolean assumeDepth,
    BenchReport report) {

  /** A backend with the model on it, and its rows so far. */
  private record Contender(Engine engine, List<Row> rows) {}

  /** All backends hold the model at the same time. */
  void measure(
      Supplier<Checkpoint> model,
      List<Optional<BackendChoice>> backends,
      BiFunction<Checkpoint, Optional<BackendChoice>, RuntimeOptions> options) {
    List<Contender> contenders = new ArrayList<>();
    try {
      for (Optional<BackendChoice> backend : backends) {
        Checkpoint checkpoint = model.get();
        Engine engine = Loading.open(context, checkpoint, options.apply(checkpoint, backend));
        contenders.add(new Contender(engine, new ArrayList<>()));
        if (assumeDepth) {
          engine.fillCache();
        }
      }
      tests.forEach(test -> measure(test, contenders));
    } finally {
      contenders.forEach(contender -> contender.engine().close());
    }
  }

  private void measure(Benchmark test, List<Contender> contenders) {
    List<Contender> able = contenders.stream().filter(contender -> fits(test, contender)).toList();
    List<Measurement> running = new ArrayList<>();
    try {
      able.forEach(contender -> running.add(test.start(contender.engine(), warmUp)));
      for (int i = 0; i < test.repetitions(); i++) {
        running.forEach(Measurement::repeat);
      }
      double first = 0;
      for (int i = 0; i < able.size(); i++) {
        Contender contender = able.get(i);
        Row row = running.get(i).row(contender.rows());
        first = contender.equals(contenders.getFirst()) ? row.merit() : first;
        Row compared =
            contenders.size() > 1 && first > 0 ? row.withRatio(row.merit() / first) : row;
        contender.rows().add(compared);
        report.row(compared);
      }
    } finally {
      running.forEach(Measurement::close);
    }
  }

  private boolean fits(Benchmark test, Contender contender) {
    boolean fits = test.length() <= contender.engine().contextLength();
    if (!fits) {
      context.err().println("--fit: leaving out a test of " + test.length() + " tokens");
    }
    return fits;
  }
}
