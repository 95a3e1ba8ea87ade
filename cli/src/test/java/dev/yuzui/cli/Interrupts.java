package dev.yuzui.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Ctrl-C as a shell sends it. */
public final class Interrupts {
  private static final long SIGINT = 1L << 1;

  private Interrupts() {}

  /**
   * Skips the test where a program that it starts would not hear of SIGINT: on Windows, and where
   * this process ignores the signal and its children inherit that, as under nohup or behind {@code
   * &} in a script.
   */
  public static void assumeHeard() throws IOException {
    assumeTrue(!System.getProperty("os.name").startsWith("Windows"), "no SIGINT on Windows");
    assumeTrue(!ignored(), "SIGINT is ignored here: the tests run in a script's background");
  }

  private static boolean ignored() throws IOException {
    Path status = Path.of("/proc/self/status");
    List<String> lines = Files.exists(status) ? Files.readAllLines(status) : List.of();
    return lines.stream()
        .filter(line -> line.startsWith("SigIgn:"))
        .anyMatch(line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & SIGINT) != 0);
  }

  public static void send(Process process) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
  }
}
