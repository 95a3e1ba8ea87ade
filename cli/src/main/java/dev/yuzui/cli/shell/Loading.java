package dev.yuzui.cli.shell;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.io.Texts;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.io.PrintStream;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Opens an engine behind a progress bar, which only a terminal sees, and only when it takes long
 * enough to read.
 */
public final class Loading implements LoadProgress, AutoCloseable {
  private static final long QUIET_NANOS = 300_000_000L;
  private static final int WIDTH = 80;

  private final Context context;
  private final long quietNanos;
  private final long start = System.nanoTime();
  private Optional<ProgressBar> bar = Optional.empty();

  Loading(Context context, long quietNanos) {
    this.context = context;
    this.quietNanos = quietNanos;
  }

  /** The checkpoint that the options name; what people should know of it is said. */
  public static Checkpoint checkpoint(Context context, RuntimeOptions options) {
    Checkpoint checkpoint = Checkpoints.open(options.model(), options.metadata(), options.log());
    checkpoint.vocabulary().remarks().forEach(context.err()::println);
    return checkpoint;
  }

  public static Engine open(Context context, RuntimeOptions options) {
    return open(context, checkpoint(context, options), options);
  }

  /** Closes the checkpoint with the engine, or when it cannot be opened. */
  public static Engine open(Context context, Checkpoint checkpoint, RuntimeOptions options) {
    Engine engine;
    try (Loading loading = new Loading(context, QUIET_NANOS)) {
      engine = Engine.open(checkpoint, options, loading);
    }
    if (options.fit()) {
      MemoryPlan plan = engine.memoryPlan();
      plan.reasons().forEach(reason -> context.err().println("--fit: " + Flags.in(reason)));
      context.err().println(fitted(plan, engine.config().contextLength()));
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

  /** The line the bar is drawn on. The library's own ends the line, which leaves a blank one. */
  public record Line(PrintStream out) implements ProgressBarConsumer {
    @Override
    public int getMaxRenderedLength() {
      return WIDTH - 1;
    }

    @Override
    public void accept(String bar) {
      out.print("\r" + bar);
      out.flush();
    }

    @Override
    public void close() {}
  }

  @Override
  public void loaded(long bytesDone, long bytesTotal) {
    if (bar.isEmpty()
        && context.surroundings().errIsTerminal()
        && bytesDone < bytesTotal
        && System.nanoTime() - start > quietNanos) {
      bar =
          Optional.of(
              new ProgressBarBuilder()
                  .setTaskName("Loading")
                  .setInitialMax(bytesTotal)
                  .setUnit(" MiB", 1 << 20)
                  .setStyle(ProgressBarStyle.ASCII)
                  .setUpdateIntervalMillis(100)
                  .setConsumer(new Line(context.err()))
                  .build());
    }
    bar.ifPresent(b -> b.stepTo(bytesDone));
  }

  /** What is said next begins where the bar was; the library clears no bar it drew only once. */
  @Override
  public void close() {
    bar.ifPresent(
        b -> {
          b.close();
          Line line = new Line(context.err());
          line.clear();
          line.accept("");
        });
  }
}
