package dev.yuzui.cli;

import dev.yuzui.cli.BatchLines.Line;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which input lines an output already answers: a byte for each, 0 or a digest of the line's
 * checksum, so that the results of another input are noticed at their first lines.
 */
final class BatchDone {
  private static final Pattern START =
      Pattern.compile(Pattern.quote(BatchReply.START) + "(\\d{1,9})_([0-9a-f]{8})\".*");
  private static final int HEAD = 64;

  private final String name;
  private byte[] digests = new byte[1024];
  private int last;
  private long lines;
  private long length;

  /**
   * @param name of the output, for messages
   */
  BatchDone(String name) {
    this.name = name;
  }

  /**
   * Reads an output; what lies behind its last newline is the work of a process that was killed.
   */
  static BatchDone scan(String name, InputStream in) throws IOException {
    BatchDone done = new BatchDone(name);
    byte[] block = new byte[1 << 16];
    byte[] head = new byte[HEAD];
    int held = 0;
    long at = 0;
    for (int n = in.read(block); n > 0; n = in.read(block)) {
      for (int i = 0; i < n; i++) {
        at++;
        if (block[i] == '\n') {
          done.add(new String(head, 0, held, StandardCharsets.ISO_8859_1));
          done.length = at;
          held = 0;
        } else if (held < HEAD) {
          head[held++] = block[i];
        }
      }
    }
    return done;
  }

  private void add(String head) {
    lines++;
    Matcher start = START.matcher(head);
    if (!start.matches()) {
      throw UsageException.ofFlag(
          "-o " + name,
          "a file that 'yuzui batch' wrote",
          Texts.shorten(head) + " in line " + lines + "; give -o another name");
    }
    int number = Integer.parseInt(start.group(1));
    if (number >= digests.length) {
      digests = Arrays.copyOf(digests, Math.max(number + 1, 2 * digests.length));
    }
    if (digests[number] != 0) {
      throw UsageException.ofFlag(
          "-o " + name,
          "one result for each line of the input",
          "a second one for line " + number + " in line " + lines + "; give -o another name");
    }
    digests[number] = digest(Integer.parseUnsignedInt(start.group(2), 16));
    last = Math.max(last, number);
  }

  private static byte digest(int crc) {
    return (byte) (1 + Integer.remainderUnsigned(crc, 255));
  }

  /** How many lines are done. */
  long lines() {
    return lines;
  }

  /** Bytes of the output's whole lines. */
  long length() {
    return length;
  }

  /** Whether results of later lines are there; an output in input order has none. */
  boolean beyond(long number) {
    return number < last;
  }

  /**
   * Whether {@code line} has its result.
   *
   * @throws UsageException if the result is that of another line
   */
  boolean has(Line line) {
    if (line.number() > last || digests[(int) line.number()] == 0) {
      return false;
    }
    if (digests[(int) line.number()] != digest(line.crc())) {
      throw UsageException.ofFlag(
          "-o " + name,
          "results of this input",
          "another one's: line " + line.number() + " differs; give -o another name");
    }
    return true;
  }

  /** Complains if there are results of lines that the input lacks. */
  void requireNoneAfter(long number) {
    if (beyond(number)) {
      throw UsageException.ofFlag(
          "-o " + name,
          "results of this input, which ends with line " + number,
          "one of line " + last + "; give -o another name");
    }
  }
}
