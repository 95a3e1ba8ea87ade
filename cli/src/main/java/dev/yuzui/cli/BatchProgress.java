package dev.yuzui.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Lines done, tokens a second, time left: a bar on a terminal, elsewhere a line now and then. */
final class BatchProgress implements AutoCloseable {
  static final long QUIET_NANOS = 10_000_000_000L;

  private final Context context;
  private final OptionalLong total;
  private final long before;
  private final LongSupplier clock;
  private final long start;
  private final Optional<ProgressBar> bar;
  private long shown;
  private long answered;
  private long failed;
  private long promptTokens;
  private long generatedTokens;

  /**
   * @param total lines of the input, where they can be counted
   * @param before lines that were done by earlier runs
   * @param clock nanoseconds
   */
  BatchProgress(Context context, OptionalLong total, long before, LongSupplier clock) {
    this.context = context;
    this.total = total;
    this.before = before;
    this.clock = clock;
    this.start = clock.getAsLong();
    this.shown = start;
    this.bar =
        Optional.of(context)
            .filter(c -> c.surroundings().errIsTerminal())
            .map(
                c ->
                    new ProgressBarBuilder()
                        .setTaskName("Lines")
                        .setInitialMax(total.orElse(-1))
                        .startsFrom(before, Duration.ZERO)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setUpdateIntervalMillis(250)
                        .setConsumer(new Loading.Line(c.err()))
                        .build());
  }

  void answered(long promptTokens, long generatedTokens) {
    answered++;
    this.promptTokens += promptTokens;
    this.generatedTokens += generatedTokens;
  }

  void failed() {
    failed++;
  }

  void show() {
    if (bar.isPresent()) {
      bar.get().setExtraMessage(rate());
      bar.get().stepTo(before + answered + failed);
    } else if (clock.getAsLong() - shown >= QUIET_NANOS) {
      shown = clock.getAsLong();
      context.err().println(line());
    }
  }

  private String line() {
    long done = before + answered + failed;
    return done
        + (total.isPresent() ? " of " + total.getAsLong() : "")
        + " lines, "
        + rate()
        + (total.isPresent() && done > before
            ? ", " + duration(seconds() / (done - before) * (total.getAsLong() - done)) + " left"
            : "");
  }

  /** What this run did, for the end. */
  String summary() {
    return String.format(
        Locale.ROOT,
        "%d lines%s: %d answered, %d with errors; prompts %d tokens, texts %d tokens, %s; %.1f s",
        answered + failed,
        before > 0 ? " after " + before + " done before" : "",
        answered,
        failed,
        promptTokens,
        generatedTokens,
        rate(),
        seconds());
  }

  private String rate() {
    double seconds = seconds();
    return String.format(
        Locale.ROOT, "%.1f tokens a second", seconds > 0 ? generatedTokens / seconds : 0);
  }

  private double seconds() {
    return (clock.getAsLong() - start) * 1e-9;
  }

  private static String duration(double seconds) {
    long s = Math.round(seconds);
    return String.format(Locale.ROOT, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  }

  /** Takes the bar off the line. */
  @Override
  public void close() {
    bar.ifPresent(
        b -> {
          b.close();
          Loading.Line line = new Loading.Line(context.err());
          line.clear();
          line.accept("");
        });
  }
}
