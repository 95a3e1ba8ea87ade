package dev.yuzui.cli;

import dev.yuzui.cli.Benchmark.Measurement;
import dev.yuzui.cli.Benchmark.Row;
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
  private record Lane(Engine engine, List<Row> rows) {}

  /** All backends hold the model at the same time. */
  void measure(
      Supplier<Checkpoint> model,
      List<Optional<BackendChoice>> backends,
      BiFunction<Checkpoint, Optional<BackendChoice>, RuntimeOptions> options) {
    List<Lane> lanes = new ArrayList<>();
    try {
      for (Optional<BackendChoice> backend : backends) {
        Checkpoint checkpoint = model.get();
        Engine engine = Loading.open(context, checkpoint, options.apply(checkpoint, backend));
        lanes.add(new Lane(engine, new ArrayList<>()));
        if (assumeDepth) {
          engine.fillCache();
        }
      }
      tests.forEach(test -> measure(test, lanes));
    } finally {
      lanes.forEach(lane -> lane.engine().close());
    }
  }

  private void measure(Benchmark test, List<Lane> lanes) {
    List<Lane> able = lanes.stream().filter(lane -> fits(test, lane)).toList();
    List<Measurement> running = new ArrayList<>();
    try {
      able.forEach(lane -> running.add(test.start(lane.engine(), warmUp)));
      for (int i = 0; i < test.repetitions(); i++) {
        running.forEach(Measurement::repeat);
      }
      double first = 0;
      for (int i = 0; i < able.size(); i++) {
        Lane lane = able.get(i);
        Row row = running.get(i).row(lane.rows());
        first = lane == lanes.getFirst() ? row.merit() : first;
        Row compared = lanes.size() > 1 && first > 0 ? row.withRatio(row.merit() / first) : row;
        lane.rows().add(compared);
        report.row(compared);
      }
    } finally {
      running.forEach(Measurement::close);
    }
  }

  private boolean fits(Benchmark test, Lane lane) {
    boolean fits = test.length() <= lane.engine().contextLength();
    if (!fits) {
      context.err().println("--fit: leaving out a test of " + test.length() + " tokens");
    }
    return fits;
  }
}
