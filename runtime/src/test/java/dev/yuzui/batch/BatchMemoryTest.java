package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An input that is many times larger than the heap of the process that works it off. */
class BatchMemoryTest {
  private static final int LINES = 50_000;
  private static final int PROMPT = 1000;

  @Test
  void anInputOfAnyLengthTakesNoMoreMemory(@TempDir Path folder) throws Exception {
    Path out = folder.resolve("out.jsonl");
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Xmx24m",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName(),
                out.toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertTrue(process.waitFor(5, TimeUnit.MINUTES), "it ended");
      assertEquals(0, process.exitValue(), Files.readString(log));
      try (Stream<String> lines = Files.lines(out)) {
        assertEquals(LINES, lines.count());
      }
    } finally {
      process.destroyForcibly();
    }
  }

  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      boolean done =
          FakeBatch.run(
              new Lines(),
              Path.of(args[0]),
              (request, answers) ->
                  List.of(CompletableFuture.supplyAsync(() -> FakeBatch.parrot(request))),
              FakeBatch.options(32, false),
              () -> false);
      System.exit(done ? 0 : 1);
    }
  }

  /** {@code LINES} prompts of {@code PROMPT} letters, 50 MB, made as they are read. */
  private static final class Lines extends InputStream {
    private static final byte[] LINE =
        ("{\"prompt\":\"" + "x".repeat(PROMPT) + "\"}\n").getBytes(StandardCharsets.UTF_8);
    private long at;

    @Override
    public int read() {
      throw new UnsupportedOperationException("read in blocks");
    }

    /** At most what is left of a line. */
    @Override
    public int read(byte[] bytes, int from, int count) {
      if (at == (long) LINES * LINE.length) {
        return -1;
      }
      int start = (int) (at % LINE.length);
      int n = Math.min(count, LINE.length - start);
      System.arraycopy(LINE, start, bytes, from, n);
      at += n;
      return n;
    }
  }
}
