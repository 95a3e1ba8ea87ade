package dev.yuzui.cli;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.LoadProgress;
import dev.yuzui.engine.MemoryPlan;
import dev.yuzui.engine.RuntimeOptions;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.util.Optional;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Opens an engine behind a progress bar, which only a terminal sees, and only when it takes long
 * enough to read.
 */
final class Loading implements LoadProgress, AutoCloseable {
  private static final long QUIET_NANOS = 300_000_000L;
  private static final int WIDTH = 80;

  private final Context context;
  private final long start = System.nanoTime();
  private Optional<ProgressBar> bar = Optional.empty();

  private Loading(Context context) {
    this.context = context;
  }

  static Engine open(Context context, RuntimeOptions options) {
    return open(context, Checkpoints.open(options.model()), options);
  }

  /** Closes the checkpoint with the engine, or when it cannot be opened. */
  static Engine open(Context context, Checkpoint checkpoint, RuntimeOptions options) {
    Engine engine;
    try (Loading loading = new Loading(context)) {
      engine = Engine.open(checkpoint, options, loading);
    }
    if (options.fit()) {
      context.err().println(fitted(engine.memoryPlan(), engine.config().contextLength()));
    }
    return engine;
  }

  private static String fitted(MemoryPlan plan, int modelContext) {
    return "--fit: a context of "
        + plan.contextLength()
        + " tokens, of "
        + modelContext
        + "; "
        + Texts.bytes(plan.totalBytes())
        + " of "
        + Texts.bytes(plan.availableBytes())
        + " free";
  }

  @Override
  public void loaded(long bytesDone, long bytesTotal) {
    if (bar.isEmpty()
        && context.surroundings().errIsTerminal()
        && bytesDone < bytesTotal
        && System.nanoTime() - start > QUIET_NANOS) {
      bar =
          Optional.of(
              new ProgressBarBuilder()
                  .setTaskName("Loading")
                  .setInitialMax(bytesTotal)
                  .setUnit(" MiB", 1 << 20)
                  .setStyle(ProgressBarStyle.ASCII)
                  .setUpdateIntervalMillis(100)
                  .setConsumer(new ConsoleProgressBarConsumer(context.err(), WIDTH))
                  .clearDisplayOnFinish()
                  .build());
    }
    bar.ifPresent(b -> b.stepTo(bytesDone));
  }

  @Override
  public void close() {
    bar.ifPresent(ProgressBar::close);
  }
}
