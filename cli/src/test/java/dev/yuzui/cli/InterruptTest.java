package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.GGUF;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.ExitCode;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class InterruptTest {
  @Test
  void ctrlCEndsTheTextWithANewlineAndExitCode130() throws Exception {
    Interrupts.assumeHeard();
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    // the slow backend, so that there is something left to interrupt
    command.addAll(List.of("generate", "-m", GGUF, "-p", "Hello", "--temp", "0"));
    command.addAll(List.of("--backend", "reference", "--ignore-eos", "-n", "480"));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    try (InputStream out = process.getInputStream()) {
      assertTrue(out.read() >= 0, "the generation began");
      Interrupts.send(process);
      String text = Processes.untilTheEnd(process, out);
      assertEquals(ExitCode.INTERRUPTED, process.exitValue());
      assertTrue(text.endsWith("\n"), text);
    } finally {
      process.destroyForcibly();
    }
  }
}
