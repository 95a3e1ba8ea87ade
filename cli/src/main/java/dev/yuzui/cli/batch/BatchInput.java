package dev.yuzui.cli.batch;

import dev.yuzui.batch.BatchLines;
import dev.yuzui.batch.BatchShard;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where requests come from.
 *
 * @param name of a file, or {@code -}
 */
record BatchInput(Context context, String name) {
  BatchLines open(BatchShard shard) {
    return name.equals("-")
        ? new BatchLines("-i -", context.in(), shard)
        : BatchLines.open(Path.of(name), shard);
  }

  /** Whether it can be read more than once. */
  boolean isFile() {
    return !name.equals("-") && Files.isRegularFile(Path.of(name));
  }

  /**
   * Complains if {@code output} is the input, under whatever name: results in it would be read as
   * requests, for ever.
   *
   * @param output name of a file, or {@code -}
   */
  void requireOther(String output) {
    Path to = Path.of(output.equals("-") ? "/dev/stdout" : output);
    try {
      if (isFile() && Files.exists(to) && Files.isSameFile(Path.of(name), to)) {
        throw UsageException.ofFlag("-o", "another file than -i", output + ", which is the same");
      }
    } catch (IOException e) {
      throw UsageException.ofFlag("-o", "a file that can be looked at", output + ": " + e);
    }
  }
}
