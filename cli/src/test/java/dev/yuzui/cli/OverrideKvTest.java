package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OverrideKvTest {
  private static final String NO_BOS = "tokenizer.ggml.add_bos_token=bool:false";

  @Test
  void everyCommandReadsTheValue() {
    String[] tokenize = {"tokenize", "-m", GGUF, "-p", "Hi", "--json", "--override-kv", NO_BOS};
    assertEquals("[72,105]\n", yuzui(tokenize).out());
    CommandRun inspect =
        yuzui("inspect", "-m", GGUF, "--json", "-v", "--override-kv", NO_BOS + ",a.b=str:c");
    assertEquals(ExitCode.DONE, inspect.exitCode(), inspect.err());
    assertEquals("c", inspect.json().path("metadata").path("a.b").asText(), inspect.out());
    assertTrue(inspect.err().contains("metadata a.b: c, which the file lacks"), inspect.err());
    CommandRun generate =
        yuzui(
            "generate",
            "-m",
            GGUF,
            "--raw",
            "-p",
            "Hi",
            "-n",
            "1",
            "--temp",
            "0",
            "-c",
            "64",
            "--json",
            "--override-kv",
            NO_BOS);
    assertEquals(2, generate.json().path("timings").path("prompt_tokens").asInt());
  }

  @ParameterizedTest
  @ValueSource(strings = {"generate", "inspect", "tokenize", "bench", "batch", "chat", "compare"})
  void whatIsNoOverrideIsRefused(String command) {
    List<String> words = new ArrayList<>(List.of(command, "-m", GGUF, "--override-kv", "a=int:x"));
    switch (command) {
      case "batch" -> words.addAll(List.of("-i", "-", "-o", "-"));
      case "generate", "tokenize", "compare" -> words.addAll(List.of("-p", "x"));
      default -> {}
    }
    CommandRun run = yuzui(words.toArray(String[]::new));
    assertEquals(ExitCode.USAGE, run.exitCode(), run.err());
    assertTrue(
        run.err().contains("--override-kv: expected a whole number after int:, found 'a=int:x'"),
        run.err());
  }

  @Test
  void aFolderIsRefused() {
    CommandRun run = yuzui("inspect", "-m", FOLDER, "--override-kv", NO_BOS);
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("expected a GGUF"), run.err());
  }

  @Test
  void aFolderWithoutATokenizersConfigurationSaysWhatIsTaken(@TempDir Path folder)
      throws IOException {
    for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(Path.of(FOLDER, name), folder.resolve(name));
    }
    CommandRun run = yuzui("tokenize", "-m", folder.toString(), "-p", "Hi", "--json");
    assertEquals("[256,72,105]\n", run.out());
    assertTrue(run.err().contains("BOS 256 and EOS 257"), run.err());
    run =
        yuzui(
            "generate",
            "-m",
            folder.toString(),
            "--raw",
            "-p",
            "Hi",
            "-n",
            "1",
            "-c",
            "64",
            "--temp",
            "0");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.err().contains("there is no tokenizer_config.json beside it"), run.err());
  }
}
