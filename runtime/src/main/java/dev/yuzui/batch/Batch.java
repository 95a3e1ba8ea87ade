package dev.yuzui.batch;

import dev.yuzui.engine.Engine;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.spi.RecordCopy;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;

/**
 * A file of requests that an engine answers into another file: a JSON object to a line, in the form
 * {@code {"prompt": …}}, {@code {"messages": …}} or that of the OpenAI batch interface. A line that
 * cannot be answered gets an error in its place.
 *
 * @param input the requests
 * @param output a line for each; beside it lies a {@link BatchManifest}
 * @param resume go on with an output that has results, instead of refusing it
 * @param ordered append in the input's order, not as finished
 * @param shard of the input, which has an output of its own; {@link BatchMerge} puts them together
 */
public record Batch(Path input, Path output, boolean resume, boolean ordered, BatchShard shard) {
  /** Answers in work or waiting for their turn, for each sequence that runs. */
  public static final int AHEAD = 4;

  /** Results in the input's order, in a file that is not there yet. */
  public static Batch of(Path input, Path output) {
    return new Batch(input, output, false, true, BatchShard.ALL);
  }

  public Batch withResume(boolean goOn) {
    return RecordCopy.with(this, "resume", goOn);
  }

  public Batch withOrdered(boolean inOrder) {
    return RecordCopy.with(this, "ordered", inOrder);
  }

  public Batch withShard(BatchShard part) {
    return RecordCopy.with(this, "shard", part);
  }

  /**
   * Answers what has no answer yet.
   *
   * @param interrupted asked now and then: true ends the run soon, with the work in hand dropped
   * @return whether all lines are done
   * @throws BatchException if a file is not what is expected; it is left as it is
   */
  public boolean run(
      Engine engine, ServedModel model, BatchListener listener, BooleanSupplier interrupted) {
    try (BatchLines lines = BatchLines.open(input, shard);
        BatchOutput out = BatchOutput.open(output, resume)) {
      try (BatchLines compared = BatchLines.open(input, shard)) {
        out.done().prove(compared);
      }
      out.begin(BatchManifest.of(engine.checkpoint(), model, shard));
      int window = AHEAD * engine.options().maxSequences();
      return new BatchRun(
              lines,
              out,
              model,
              BatchRun.Generator.of(engine),
              new BatchRun.Options(window, ordered, UnaryOperator.identity()))
          .run(listener, interrupted);
    }
  }
}
