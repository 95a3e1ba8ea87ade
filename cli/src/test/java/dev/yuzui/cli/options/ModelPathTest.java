package dev.yuzui.cli.options;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What people give to -m beside files. */
class ModelPathTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "deepseek-ai/DeepSeek-V2-Lite, -hf deepseek-ai/DeepSeek-V2-Lite takes it",
    "hf.co/deepseek-ai/DeepSeek-V2-Lite, -hf deepseek-ai/DeepSeek-V2-Lite takes it",
    "https://huggingface.co/unsloth/DeepSeek-R1-GGUF, -hf unsloth/DeepSeek-R1-GGUF takes it",
    "unsloth/DeepSeek-R1-GGUF:Q4_K_M, -hf unsloth/DeepSeek-R1-GGUF:Q4_K_M takes it"
  })
  void aNameOnTheHubSaysHowToGetIt(String name, String command) {
    for (String using : new String[] {"inspect", "bench", "tokenize"}) {
      CommandRun run =
          using.equals("tokenize") ? yuzui(using, "-m", name, "x") : yuzui(using, "-m", name);
      assertAll(
          () -> assertEquals(ExitCode.USAGE, run.exitCode(), run.err()),
          () -> assertEquals("", run.out()),
          () -> assertTrue(run.err().contains("a name on the Hugging Face hub"), run.err()),
          () -> assertTrue(run.err().contains(command), run.err()));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"models/v2.gguf", "./org/name", "nope", "/tmp/no-such-model"})
  void aFileThatIsNotThereIsNoNameOnTheHub(String path) {
    CommandRun run = yuzui("inspect", "-m", path);
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("nothing at this path"), run.err());
  }

  private Path cache(String... revisions) throws IOException {
    Path cache = folder.resolve("models--org--tiny");
    Files.createDirectories(cache.resolve("blobs"));
    Files.createDirectories(cache.resolve("refs"));
    for (String revision : revisions) {
      Path snapshot = Files.createDirectories(cache.resolve("snapshots").resolve(revision));
      for (String file : new String[] {"config.json", "model.safetensors", "tokenizer.json"}) {
        Files.createSymbolicLink(snapshot.resolve(file), Path.of(FOLDER, file));
      }
    }
    return cache;
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "snapshots", "refs", "blobs", "snapshots/abc123"})
  void aFolderOfTheHubsCacheMeansItsSnapshot(String part) throws IOException {
    Path cache = cache("abc123");
    CommandRun run = yuzui("inspect", "-m", cache.resolve(part).toString(), "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    Path snapshot = cache.resolve("snapshots").resolve("abc123");
    assertEquals(snapshot.toString(), run.json().get("path").asText());
    assertEquals(!part.contains("/"), run.err().contains("taking " + snapshot), run.err());
  }

  @Test
  void ofSeveralSnapshotsTheOneThatMainNamesIsMeant() throws IOException {
    Path cache = cache("aaa", "bbb");
    CommandRun open = yuzui("inspect", "-m", cache.toString());
    assertEquals(ExitCode.USAGE, open.exitCode());
    assertTrue(open.err().contains("found 2 of them; give one: "), open.err());
    assertTrue(open.err().contains(cache.resolve("snapshots/bbb").toString()), open.err());
    Files.writeString(cache.resolve("refs/main"), "bbb");
    CommandRun run = yuzui("inspect", "-m", cache.toString(), "--json");
    assertTrue(run.json().get("path").asText().endsWith("bbb"), run.err());
  }

  @Test
  void aDownloadThatWasNotFinishedIsNamed() throws IOException {
    CommandRun run = yuzui("inspect", "-m", cache().toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("'yuzui pull org/tiny' begins anew"), run.err());
    assertFalse(run.err().contains("unexpected"), run.err());
  }
}
