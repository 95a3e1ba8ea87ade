package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** Other processes, none of which a test waits for without end. */
final class Processes {
  private static final Duration LIMIT = Duration.ofMinutes(3);

  private Processes() {}

  /**
   * What the process and all that have its pipe still write to {@code from}, one of its streams;
   * when this returns, they have ended.
   */
  static String untilTheEnd(Process process, InputStream from) throws InterruptedException {
    CompletableFuture<String> read = new CompletableFuture<>();
    Thread.startVirtualThread(
        () -> {
          try (from) {
            read.complete(new String(from.readAllBytes(), StandardCharsets.UTF_8));
          } catch (IOException e) {
            read.completeExceptionally(new UncheckedIOException(e));
          }
        });
    try {
      String text = read.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
      if (!process.waitFor(LIMIT)) {
        throw new TimeoutException();
      }
      return text;
    } catch (TimeoutException _) {
      return fail(stopped(process, read));
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    }
  }

  /** Ends what hangs, once each JVM among it has told what its threads are at. */
  private static String stopped(Process process, CompletableFuture<String> read)
      throws InterruptedException {
    List<ProcessHandle> all =
        Stream.concat(process.descendants(), Stream.of(process.toHandle())).toList();
    StringBuilder told = new StringBuilder("it does not end:\n");
    for (ProcessHandle each : all) {
      String command = each.info().commandLine().orElse("?");
      told.append(each.pid()).append(' ').append(command).append('\n');
      if (command.contains("-jar ")) {
        signal("QUIT", each);
      }
    }
    Thread.sleep(Duration.ofSeconds(2)); // for them to write
    all.forEach(ProcessHandle::destroyForcibly);
    try {
      told.append(read.get(5, TimeUnit.SECONDS));
    } catch (ExecutionException | TimeoutException _) {
      told.append("and its pipe stays open");
    }
    return told.toString();
  }

  private static void signal(String name, ProcessHandle process) throws InterruptedException {
    try {
      new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor(LIMIT);
    } catch (IOException _) {
      // it is only for more to tell
    }
  }
}
