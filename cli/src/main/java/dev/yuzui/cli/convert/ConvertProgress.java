package dev.yuzui.cli.convert;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.convert.ConvertListener;
import dev.yuzui.io.Texts;
import java.util.Locale;

/** How far a conversion is, on stderr: a line that is written over, or now and then a new one. */
final class ConvertProgress implements ConvertListener {
  private static final long TERMINAL_NANOS = 200_000_000L;
  private static final long LINES_NANOS = 30_000_000_000L;

  private final Context context;
  private final boolean terminal;
  private final long start = System.nanoTime();
  private long said = start;
  private boolean drawn;

  ConvertProgress(Context context) {
    this.context = context;
    this.terminal = context.surroundings().errIsTerminal();
  }

  @Override
  public synchronized void remark(String line) {
    clear();
    context.err().println(Flags.in(line));
  }

  @Override
  public synchronized void progress(long done, long before, long total) {
    long now = System.nanoTime();
    if (now - said < (terminal ? TERMINAL_NANOS : LINES_NANOS)) {
      return;
    }
    said = now;
    String line = line(done, before, total, (now - start) * 1e-9);
    if (terminal) {
      context.err().print("\r" + line + "  ");
      context.err().flush();
      drawn = true;
    } else {
      context.err().println(line);
    }
  }

  /** {@code 12 % of 15.71 B weights, 21.3 M/s, 11 min left}. */
  static String line(long done, long before, long total, double seconds) {
    double rate = (done - before) / seconds;
    long left = rate > 0 ? Math.round((total - done) / rate) : 0;
    return String.format(
        Locale.ROOT,
        "%d %% of %s weights, %.1f M/s, %s left",
        100 * done / Math.max(1, total),
        Texts.count(total),
        rate / 1e6,
        left < 120 ? left + " s" : Math.ceilDiv(left, 60) + " min");
  }

  synchronized void clear() {
    if (drawn) {
      context.err().print("\r" + " ".repeat(79) + "\r");
      drawn = false;
    }
  }

  double seconds() {
    return (System.nanoTime() - start) * 1e-9;
  }
}
