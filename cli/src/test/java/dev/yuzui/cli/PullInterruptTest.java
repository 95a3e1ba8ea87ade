package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.pull.TinyHub;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PullInterruptTest {
  @TempDir private Path folder;

  private Process start(TinyHub hub) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of("pull", "org/tiny"));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile());
    builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
    builder
        .environment()
        .putAll(Map.of("HF_ENDPOINT", hub.endpoint(), "HF_HOME", folder.resolve("hf").toString()));
    return builder.start();
  }

  private List<Path> blobs() throws IOException {
    Path blobs = folder.resolve("hf/hub/models--org--tiny/blobs");
    if (!Files.isDirectory(blobs)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(blobs)) {
      return files.sorted().toList();
    }
  }

  private void awaitBytes(Process process) throws Exception {
    for (int i = 0; process.isAlive(); i++) {
      for (Path blob : blobs()) {
        if (blob.toString().endsWith(".incomplete") && Files.size(blob) > 0) {
          return;
        }
      }
      assertTrue(i < 6000, "some bytes come");
      Thread.sleep(10);
    }
  }

  @Test
  void ctrlCLeavesWhatCameAndTheSameAgainGoesOn() throws Exception {
    Interrupts.assumeHeard();
    byte[] model = new byte[4 << 20];
    new Random(1).nextBytes(model);
    try (TinyHub slow = new TinyHub("tiny-Q8_0.gguf", model, model.length, 200)) {
      Process process = start(slow);
      try {
        awaitBytes(process);
        Interrupts.send(process);
        assertTrue(process.waitFor(1, TimeUnit.MINUTES), "it ended");
      } finally {
        process.destroyForcibly();
      }
      String log = Files.readString(folder.resolve("log"));
      assertEquals(ExitCode.INTERRUPTED, process.exitValue(), log);
      assertTrue(log.endsWith("yuzui: interrupted; the same again goes on where it ended\n"), log);
      assertEquals(2, blobs().size(), "the bytes and their record");
    }
    try (TinyHub hub = new TinyHub("tiny-Q8_0.gguf", model)) {
      Process process = start(hub);
      assertTrue(process.waitFor(1, TimeUnit.MINUTES), "it ended");
      String log = Files.readString(folder.resolve("log"));
      assertEquals(ExitCode.DONE, process.exitValue(), log);
      assertTrue(!log.contains("fetched 4.0 MiB") && log.contains("fetched "), log);
      assertEquals(1, blobs().size());
    }
  }
}
