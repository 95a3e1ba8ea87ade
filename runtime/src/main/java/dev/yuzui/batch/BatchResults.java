package dev.yuzui.batch;

import dev.yuzui.batch.BatchLines.Line;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Where in some outputs the result of each line of an input is, and what is wrong with them. */
final class BatchResults {
  /** Of lines that are named in a message. */
  private static final int SHOWN = 5;

  /**
   * @param file number of the output, from 0
   * @param length bytes with the newline
   */
  record Result(int file, long at, long length) {}

  private final Path input;

  // by number of the line: the input's, and its result
  private boolean[] there = new boolean[1024];
  private int[] crcs = new int[1024];
  private int[] files = new int[0]; // from 1; 0 where there is none
  private long[] ats = new long[0];
  private int[] lengths = new int[0];
  private int last;

  private final List<Path> outputs = new ArrayList<>();
  private final List<String> wrong = new ArrayList<>();
  private int wrongCount;
  private long lines;
  private long errors;

  private BatchResults(Path input) {
    this.input = input;
  }

  /** Of an input, with no results yet. */
  static BatchResults of(Path input) {
    BatchResults results = new BatchResults(input);
    try (BatchLines all = BatchLines.open(input)) {
      for (Optional<Line> line = all.next(); line.isPresent(); line = all.next()) {
        results.expect(line.get());
      }
    }
    results.files = new int[results.last + 1];
    results.ats = new long[results.last + 1];
    results.lengths = new int[results.last + 1];
    return results;
  }

  private void expect(Line line) {
    int number = Math.toIntExact(line.number());
    if (number >= crcs.length) {
      int size = (int) Math.max(number + 1L, Math.min(2L * crcs.length, 1 << 30));
      crcs = Arrays.copyOf(crcs, size);
      there = Arrays.copyOf(there, size);
    }
    crcs[number] = line.crc();
    there[number] = true;
    last = number;
    lines++;
  }

  /**
   * Takes an output's results; what lies behind its last newline is none.
   *
   * @throws BatchException if it is no output of a batch
   */
  void add(Path output) {
    outputs.add(output);
    try (InputStream in = Files.newInputStream(output)) {
      BatchDone.scan(
          output.toString(),
          in,
          (number, crc, error, at, length) -> add(number, crc, error, at, length));
    } catch (IOException e) {
      throw BatchException.system(output + " cannot be read: " + e);
    }
  }

  private void add(int number, int crc, boolean error, long at, long length) {
    Path output = outputs.getLast();
    if (number < 1 || number > last || !there[number]) {
      wrong(
          "%s has a result of line %d, which %s %s"
              .formatted(
                  output,
                  number,
                  input,
                  number > last ? "does not have: it ends with line " + last : "has blank"));
    } else if (crcs[number] != crc) {
      wrong("%s has a result of another line %d than that of %s".formatted(output, number, input));
    } else if (files[number] > 0) {
      wrong(
          "line %d has a result in %s and another in %s"
              .formatted(number, outputs.get(files[number] - 1), output));
    } else {
      files[number] = outputs.size();
      ats[number] = at;
      lengths[number] = Math.toIntExact(length);
      errors += error ? 1 : 0;
    }
  }

  private void wrong(String what) {
    wrongCount++;
    if (wrong.size() < SHOWN) {
      wrong.add(what);
    }
  }

  /**
   * @param shards of the outputs
   * @throws BatchException if a line has no result, or a result no line of its own
   */
  void requireWhole(List<BatchShard> shards) {
    List<Integer> missing = new ArrayList<>();
    int missingCount = 0;
    for (int number = 1; number <= last; number++) {
      if (there[number] && files[number] == 0) {
        missingCount++;
        if (missing.size() < SHOWN) {
          missing.add(number);
        }
      }
    }
    List<String> all = new ArrayList<>();
    if (missingCount > 0) {
      all.add(
          "%d of the %d lines of %s have no result: %s%s"
              .formatted(
                  missingCount,
                  lines,
                  input,
                  listed(missing, missingCount),
                  advice(missing.getFirst(), shards)));
    }
    if (wrongCount > 0) {
      all.add(listed(wrong, wrongCount));
    }
    if (!all.isEmpty()) {
      throw BatchException.system(
          "batch-merge: expected every line's result once; " + String.join("; ", all));
    }
  }

  private static String listed(List<?> shown, int count) {
    return shown.stream().map(Object::toString).collect(Collectors.joining(", "))
        + (count > shown.size() ? " and " + (count - shown.size()) + " more" : "");
  }

  /** Which shard has the first of them to do. */
  private String advice(int line, List<BatchShard> shards) {
    int count = shards.getFirst().count();
    if (count == 1 || shards.stream().anyMatch(shard -> shard.count() != count)) {
      return "";
    }
    BatchShard owner = new BatchShard((line - 1) % count, count);
    int given = shards.indexOf(owner);
    return given < 0
        ? "; line %d is one of shard %s, whose output is not given".formatted(line, owner)
        : "; line %d is one of shard %s: finish %s with Batch.resume"
            .formatted(line, owner, outputs.get(given));
  }

  /** Lines that are not blank. */
  long lines() {
    return lines;
  }

  long errors() {
    return errors;
  }

  int lastLine() {
    return last;
  }

  /** Empty for a blank line. */
  Optional<Result> of(long line) {
    int number = (int) line;
    return files[number] == 0
        ? Optional.empty()
        : Optional.of(new Result(files[number] - 1, ats[number], lengths[number]));
  }
}
