package dev.yuzui.cli.batch;

import dev.yuzui.batch.BatchListener;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.DeviceLines;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.engine.api.DeviceLoad;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/** Lines done, tokens a second, time left: a bar on a terminal, elsewhere a line now and then. */
final class BatchProgress implements BatchListener, AutoCloseable {
  static final long QUIET_NANOS = 10_000_000_000L;

  private final Context context;
  private final OptionalLong total;
  private final long before;
  private final LongSupplier clock;
  private final Supplier<List<DeviceLoad>> devices;
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
   * @param devices what each of several does
   */
  BatchProgress(
      Context context,
      OptionalLong total,
      long before,
      LongSupplier clock,
      Supplier<List<DeviceLoad>> devices) {
    this.context = context;
    this.total = total;
    this.before = before;
    this.clock = clock;
    this.devices = devices;
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
                        .setConsumer(new Lines(new Loading.Line(c.err())))
                        .build());
  }

  @Override
  public void answered(long promptTokens, long generatedTokens) {
    answered++;
    this.promptTokens += promptTokens;
    this.generatedTokens += generatedTokens;
  }

  @Override
  public void failed() {
    failed++;
  }

  /** Lines that this run answered. */
  long answeredLines() {
    return answered;
  }

  /** Lines that it gave an error. */
  long failedLines() {
    return failed;
  }

  @Override
  public void tick() {
    if (bar.isPresent()) {
      bar.get().setExtraMessage(rate());
      bar.get().stepTo(before + answered + failed);
    } else if (clock.getAsLong() - shown >= QUIET_NANOS) {
      shown = clock.getAsLong();
      context.err().println(line());
      deviceLines().forEach(context.err()::println);
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
    String all =
        String.format(
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
    return Stream.concat(Stream.of(all), DeviceLines.summary(devices.get(), seconds()).stream())
        .collect(Collectors.joining("\n"));
  }

  private List<String> deviceLines() {
    return DeviceLines.progress(devices.get(), seconds());
  }

  /** The bar, and under it a line for each device; the cursor stays in the bar's. */
  private final class Lines implements ProgressBarConsumer {
    private final Loading.Line first;

    Lines(Loading.Line first) {
      this.first = first;
    }

    @Override
    public int getMaxRenderedLength() {
      return first.getMaxRenderedLength();
    }

    @Override
    public void accept(String bar) {
      draw(bar, deviceLines());
    }

    void draw(String bar, List<String> below) {
      // a line that the terminal breaks in two would not be found again
      below.forEach(
          line ->
              context
                  .err()
                  .print(
                      "\n\r\033[K"
                          + line.substring(0, Math.min(line.length(), getMaxRenderedLength()))));
      if (!below.isEmpty()) {
        context.err().print("\033[" + below.size() + "A");
      }
      first.accept(bar);
    }

    @Override
    public void close() {}
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
          new Lines(line).draw("", deviceLines().stream().map(_ -> "").toList());
          line.clear();
          line.accept("");
        });
  }
}
