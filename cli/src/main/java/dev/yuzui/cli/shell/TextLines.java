package dev.yuzui.cli.shell;

import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/**
 * Lines of UTF-8 text, each as soon as it is there: whoever writes them may wait for the answer
 * before the next.
 */
public final class TextLines {
  private static final String NAME = "standard input";

  private final InputStream in;
  private final byte[] block = new byte[1 << 13];
  private int at;
  private int end;
  private long offset;
  private boolean ended;

  public TextLines(InputStream in) {
    this.in = in;
  }

  /**
   * The next line without its newline.
   *
   * @throws UsageException if it is no UTF-8; the one behind it is still there to be read
   */
  public Optional<String> next() {
    long start = offset;
    ByteArrayOutputStream collected = new ByteArrayOutputStream();
    boolean newline = false;
    while (!newline && fill()) {
      int from = at;
      while (at < end && !newline) {
        newline = block[at++] == '\n';
      }
      collected.write(block, from, at - from);
      offset += at - from;
    }
    byte[] line = collected.toByteArray();
    if (line.length == 0) {
      return Optional.empty();
    }
    int length = line.length - (newline ? 1 : 0);
    if (newline && length > 0 && line[length - 1] == '\r') {
      length--;
    }
    int from = start == 0 ? mark(line) : 0;
    try {
      return Optional.of(Utf8.text(line, from, length - from, start));
    } catch (NotUtf8Exception e) {
      throw new UsageException(NAME + ": " + e.getMessage());
    }
  }

  private int mark(byte[] firstLine) {
    try {
      Utf8.requireNoUtf16(firstLine, firstLine.length);
    } catch (NotUtf8Exception e) {
      ended = true; // nothing behind it is text either
      at = end;
      throw new UsageException(NAME + ": " + e.getMessage());
    }
    return Utf8.markLength(firstLine, firstLine.length);
  }

  private boolean fill() {
    if (at < end) {
      return true;
    }
    try {
      at = 0;
      end = ended ? -1 : in.read(block);
      ended = end < 0; // a terminal would go on after Ctrl-D
      return end > 0;
    } catch (IOException e) {
      ended = true;
      throw new FailedException(NAME + " cannot be read: " + e.getMessage());
    }
  }
}
