package dev.yuzui.batch;

import dev.yuzui.batch.BatchLines.Line;
import dev.yuzui.io.Texts;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which input lines an output already answers. It is read without being changed; before it may be,
 * each of its results has to be found in the input again, by number and checksum, and what lies
 * behind its last newline has to be how a missing result begins. Four bytes and a bit are held for
 * each input line up to the last one answered.
 */
public final class BatchDone {
  private static final Pattern START =
      Pattern.compile(
          Pattern.quote(BatchReply.START) + "(\\d{1,9})_([0-9a-f]{8})\",.*", Pattern.DOTALL);

  /** How {@link BatchReply} ends a line: an error, or one of the two kinds of answers. */
  private static final Pattern END =
      Pattern.compile(
          ".*\"(?:(?<error>line\":\\d+\\}\\})|error\":null\\}|total_tokens\":\\d+\\}\\})",
          Pattern.DOTALL);

  private static final int HEAD = 64;

  private final String what;
  private final String advice;
  private final BitSet has = new BitSet();
  private int[] crcs = new int[1024];
  private int last;
  private int lines;
  private int errors;
  private int found;
  private long length;
  private String tail = "";
  private boolean proved;

  /**
   * @param name of the output, for messages
   */
  BatchDone(String name) {
    this("Batch.output " + name, "; it is left as it is: give Batch.output another name");
    proved = true;
  }

  private BatchDone(String what, String advice) {
    this.what = what;
    this.advice = advice;
  }

  /** Told of each result of an output. */
  interface Sink {
    /**
     * @param number of its line in the input, from 1
     * @param crc of that line
     * @param error whether it is one in place of an answer
     * @param at where it begins
     * @param length in bytes, with the newline
     */
    void result(int number, int crc, boolean error, long at, long length);
  }

  /**
   * Reads an output.
   *
   * @throws BatchException if it is no output of a batch
   */
  static BatchDone scan(String name, InputStream in) throws IOException {
    BatchDone done = new BatchDone(name);
    done.read(in, (number, crc, error, _, _) -> done.add(number, crc, error));
    return done;
  }

  /**
   * Reads an output that is not gone on with.
   *
   * @throws BatchException if it is no output of a batch
   */
  static void scan(String name, InputStream in, Sink sink) throws IOException {
    new BatchDone("batch-merge " + name, "").read(in, sink);
  }

  private void read(InputStream in, Sink sink) throws IOException {
    byte[] block = new byte[1 << 16];
    byte[] head = new byte[HEAD];
    byte[] end = new byte[HEAD];
    long size = 0;
    long at = 0;
    for (int n = in.read(block); n > 0; n = in.read(block)) {
      for (int i = 0; i < n; i++) {
        at++;
        if (block[i] == '\n') {
          result(text(head, 0, size), text(end, size, size), sink, at - size - 1, size + 1);
          length = at;
          size = 0;
        } else {
          if (size < HEAD) {
            head[(int) size] = block[i];
          }
          end[(int) (size % HEAD)] = block[i];
          size++;
        }
      }
    }
    setTail(text(head, 0, size));
    proved = at == 0;
  }

  /** The bytes of a ring, oldest first. */
  private static String text(byte[] ring, long from, long size) {
    int held = (int) Math.min(size, HEAD);
    byte[] text = new byte[held];
    for (int i = 0; i < held; i++) {
      text[i] = ring[(int) ((from + i) % held)];
    }
    return new String(text, StandardCharsets.ISO_8859_1);
  }

  private void result(String head, String end, Sink sink, long at, long size) {
    lines++;
    Matcher start = START.matcher(head);
    Matcher stop = END.matcher(end);
    if (!start.matches() || !stop.matches()) {
      throw foreign(head, "in line " + lines);
    }
    sink.result(
        Integer.parseInt(start.group(1)),
        Integer.parseUnsignedInt(start.group(2), 16),
        stop.group("error") != null,
        at,
        size);
  }

  private void add(int number, int crc, boolean error) {
    errors += error ? 1 : 0;
    if (number >= crcs.length) {
      crcs = Arrays.copyOf(crcs, (int) Math.max(number + 1L, Math.min(2L * crcs.length, 1 << 30)));
    }
    if (has.get(number)) {
      throw refused(
          "one result for each line of the input",
          "a second one for line " + number + " in line " + lines);
    }
    has.set(number);
    crcs[number] = crc;
    last = Math.max(last, number);
  }

  @SuppressWarnings("JdkObsolete") // hitEnd() tells the beginning of a result from what is none
  private void setTail(String head) {
    Matcher start = START.matcher(head);
    if (!start.matches() && !start.hitEnd()) {
      throw foreign(head, lines == 0 ? "in line 1" : "behind the newline of line " + lines);
    }
    tail = head;
  }

  /** How many lines are done. */
  public int lines() {
    return lines;
  }

  /** How many of them have an error in place of an answer. */
  public int errors() {
    return errors;
  }

  /** Bytes of the output's whole lines. */
  long length() {
    return length;
  }

  /** Whether there is nothing yet. */
  public boolean isEmpty() {
    return lines == 0 && tail.isEmpty();
  }

  /** Whether results of later lines are there; an output in input order has none. */
  boolean beyond(long number) {
    return number < last;
  }

  /**
   * Whether {@code line} has its result. To be asked once for each line of the input, in order.
   *
   * @throws BatchException if the result is that of another line
   */
  boolean has(Line line) {
    if (line.number() > last || !has.get((int) line.number())) {
      return false;
    }
    if (crcs[(int) line.number()] != line.crc()) {
      throw refused("results of this input", "another one's: line " + line.number() + " differs");
    }
    found++;
    return true;
  }

  /** Whether all of the output has been shown to come from the input. */
  boolean isProved() {
    return proved;
  }

  /**
   * Compares everything with an input, which is read to its end.
   *
   * @return its lines
   * @throws BatchException if anything is there that does not come from it
   */
  public long prove(BatchLines input) {
    long count = 0;
    long number = 0;
    boolean fits = tail.isEmpty();
    for (Optional<Line> next = input.next(); next.isPresent(); next = input.next()) {
      count++;
      number = next.get().number();
      if (!has(next.get())) {
        fits = fits || begins(next.get());
      }
    }
    requireNoneAfter(number, input.shard());
    prove(fits, input.shard());
    return count;
  }

  /**
   * For an input that cannot be read twice, and an output in its order: the first line without a
   * result comes behind all others, and what is left over is its own.
   */
  void proveBefore(Line line, BatchShard shard) {
    if (!proved) {
      prove(tail.isEmpty() || begins(line), shard);
    }
  }

  /** As {@link #proveBefore}, if there was no such line. */
  void proveAtEnd(BatchShard shard) {
    if (!proved) {
      prove(tail.isEmpty(), shard);
    }
  }

  private void prove(boolean tailFits, BatchShard shard) {
    if (found < lines) {
      throw refused(
          "results of " + whole(shard),
          (lines - found) + " of lines that are blank or missing in it");
    }
    if (!tailFits) {
      throw refused(
          "the beginning of a missing result behind byte " + length,
          Texts.shorten(printable(tail)));
    }
    proved = true;
  }

  /** Whether the rest may be how the line's result begins. */
  private boolean begins(Line line) {
    String head = BatchReply.head(line);
    return head.startsWith(tail) || tail.startsWith(head);
  }

  /**
   * Complains if there are results of lines that the input lacks.
   *
   * @param number of its last line, or its shard's
   */
  void requireNoneAfter(long number, BatchShard shard) {
    if (beyond(number)) {
      throw refused(
          "results of " + whole(shard) + ", whose last line is " + number, "one of line " + last);
    }
  }

  private static String whole(BatchShard shard) {
    return shard.equals(BatchShard.ALL) ? "this input" : "shard " + shard + " of this input";
  }

  private BatchException foreign(String head, String where) {
    return refused("a file that 'yuzui batch' wrote", Texts.shorten(printable(head)) + " " + where);
  }

  private BatchException refused(String expected, String found) {
    return BatchException.expected(what, expected, found + advice);
  }

  private static String printable(String text) {
    return text.replaceAll("[^ -~]", "?");
  }
}
