package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.hub.Hub;
import dev.yuzui.hub.HubName;
import dev.yuzui.hub.PullListener;
import dev.yuzui.io.Texts;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.function.LongSupplier;

/** How a pull goes: one line that changes on a terminal, elsewhere a line now and then. */
final class PullProgress implements PullListener, AutoCloseable {
  static final long QUIET_NANOS = 10_000_000_000L;
  private static final long SHOWN_NANOS = 250_000_000L;

  /** The rate is that of this time, for it changes. */
  private static final long RATE_NANOS = 15_000_000_000L;

  private record Moment(long nanos, long fetched) {}

  private final Context context;
  private final HubName name;
  private final LongSupplier clock;
  private final Loading.Line line;
  private final Deque<Moment> recent = new ArrayDeque<>();
  private final long start;
  private long shown;
  private long fetched;
  private boolean drawn;

  /**
   * @param clock nanoseconds
   */
  PullProgress(Context context, HubName name, LongSupplier clock) {
    this.context = context;
    this.name = name;
    this.clock = clock;
    this.line = new Loading.Line(context.err());
    this.start = clock.getAsLong();
    this.shown = start;
    recent.add(new Moment(start, 0));
  }

  @Override
  public void said(String text) {
    clear();
    context.err().println(text);
  }

  @Override
  public void chosen(Hub.Plan plan) {
    if (plan.missing() > 0) {
      said(
          name
              + ": "
              + plan.files().size()
              + (plan.files().size() == 1 ? " file, " : " files, ")
              + Texts.bytes(plan.bytes())
              + (plan.missing() < plan.bytes()
                  ? ", of which " + Texts.bytes(plan.missing()) + " are not in the cache"
                  : ""));
    }
  }

  @Override
  public void progressed(long done, long came, long total) {
    long now = clock.getAsLong();
    fetched = came;
    recent.add(new Moment(now, came));
    while (recent.size() > 2 && now - recent.getFirst().nanos() > RATE_NANOS) {
      recent.removeFirst();
    }
    boolean terminal = context.surroundings().errIsTerminal();
    if (now - shown < (terminal ? SHOWN_NANOS : QUIET_NANOS)) {
      return;
    }
    shown = now;
    String text = text(now, done, total);
    if (terminal) {
      int width = line.getMaxRenderedLength();
      line.accept(String.format("%-" + width + "s", text));
      drawn = true;
    } else {
      context.err().println(text);
    }
  }

  private String text(long now, long done, long total) {
    String share =
        String.format(
            Locale.ROOT,
            "%s of %s, %d %%",
            Texts.bytes(done),
            Texts.bytes(total),
            total == 0 ? 100 : done * 100 / total);
    if (done == total) {
      return share + ", checking";
    }
    Moment first = recent.getFirst();
    double rate = (fetched - first.fetched()) / Math.max((now - first.nanos()) * 1e-9, 1e-3);
    return share
        + ", "
        + rate(rate)
        + (rate >= 1 ? ", " + duration((total - done) / rate) + " left" : "");
  }

  private static String rate(double bytesPerSecond) {
    return Texts.bytes(Math.round(bytesPerSecond)) + "/s";
  }

  private static String duration(double seconds) {
    long s = Math.round(seconds);
    return String.format(Locale.ROOT, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  }

  private void clear() {
    if (drawn) {
      line.clear();
      line.accept("");
      drawn = false;
    }
  }

  @Override
  public void close() {
    clear();
    if (fetched > 0) {
      double seconds = Math.max((clock.getAsLong() - start) * 1e-9, 1e-3);
      context
          .err()
          .println(
              String.format(
                  Locale.ROOT,
                  "fetched %s in %.1f s, %s",
                  Texts.bytes(fetched),
                  seconds,
                  rate(fetched / seconds)));
    }
  }
}
