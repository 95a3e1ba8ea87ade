package dev.yuzui.cli.shell;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Standard output: UTF-8 whatever the locale, and a reader that has gone ({@code | head}) is
 * noticed, which a PrintStream hides.
 */
public final class Out {
  /** Nobody reads any more: the command ends without a word. */
  public static final class ReaderGone extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ReaderGone(IOException cause) {
      super(cause);
    }
  }

  /** What was to be said has no place any more, whatever else might still be done. */
  public static final class Unwritable extends FailedException {
    private static final long serialVersionUID = 1L;

    Unwritable(String why) {
      super("standard output cannot be written: " + why);
    }
  }

  private final OutputStream stream;
  private boolean broken;

  public Out(OutputStream stream) {
    this.stream = new BufferedOutputStream(stream, 1 << 16);
  }

  public void print(String text) {
    write(text.getBytes(StandardCharsets.UTF_8));
  }

  public void println(String line) {
    print(line + "\n");
  }

  /** Prints text that someone is waiting for. */
  public void printNow(String text) {
    print(text);
    flush();
  }

  public void write(byte[] bytes) {
    try {
      stream.write(bytes);
    } catch (IOException e) {
      throw failure(e);
    }
  }

  public void flush() {
    if (broken) {
      return; // whoever wrote first has been told
    }
    try {
      stream.flush();
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private RuntimeException failure(IOException e) {
    broken = true;
    String message = String.valueOf(e.getMessage());
    return message.contains("Broken pipe") || message.contains("Connection reset")
        ? new ReaderGone(e)
        : new Unwritable(message);
  }
}
