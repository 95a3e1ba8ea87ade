package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model without a tokenizer works with token ids. */
class TokenIdsTest {
  @TempDir private Path folder;

  @BeforeEach
  void leaveOutTheTokenizer() throws IOException {
    for (String name : List.of("config.json", "generation_config.json", "model.safetensors")) {
      Files.copy(Path.of(FOLDER, name), folder.resolve(name));
    }
  }

  private CommandRun generate(String model, String... more) {
    List<String> words = new ArrayList<>(List.of("generate", "-m", model, "-n", "4"));
    words.addAll(List.of("--temp", "0", "-c", "64", "--ignore-eos"));
    words.addAll(List.of(more));
    return yuzui(words.toArray(String[]::new));
  }

  @Test
  void idsAreAnsweredWithIds() throws IOException {
    CommandRun whole = generate(FOLDER, "--tokens", "256,72,105", "--json");
    assertEquals(ExitCode.DONE, whole.exitCode(), whole.err());
    List<String> ids = new ArrayList<>();
    whole.json().path("tokens").forEach(id -> ids.add(id.asText()));
    assertEquals(4, ids.size());
    CommandRun bare = generate(folder.toString(), "--tokens", "256,72,105");
    assertEquals(ExitCode.DONE, bare.exitCode(), bare.err());
    assertEquals(String.join(",", ids) + "\n", bare.out());
    CommandRun text = generate(FOLDER, "--raw", "-p", "Hi", "--json");
    assertEquals(whole.json().path("tokens"), text.json().path("tokens"), "BOS, H, i");
  }

  @Test
  void textIsRefusedWithWhatToDo() {
    CommandRun run = generate(folder.toString(), "-p", "Hi");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("no tokenizer"), run.err());
    assertTrue(run.err().contains("give token ids instead of text"), run.err());
    CommandRun stop = generate(folder.toString(), "--tokens", "1", "--stop", "x");
    assertEquals(ExitCode.USAGE, stop.exitCode());
    assertTrue(stop.err().contains("there is no text to stop at"), stop.err());
    CommandRun outside = generate(folder.toString(), "--tokens", "99999");
    assertEquals(ExitCode.USAGE, outside.exitCode());
    assertTrue(outside.err().contains("token 99999 is outside the vocabulary"), outside.err());
    CommandRun both = generate(FOLDER, "--tokens", "1", "-p", "Hi");
    assertEquals(ExitCode.USAGE, both.exitCode());
    assertTrue(both.err().contains("--tokens: expected no text beside it"), both.err());
  }

  @Test
  void aBatchTakesAndGivesThem() throws IOException {
    String lines =
        """
        {"prompt":[256,72,105],"max_tokens":3}
        {"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":[[1],[2]],"max_tokens":2}}
        {"prompt":"Hi"}
        """;
    CommandRun run =
        withInput(
            lines,
            "batch",
            "-m",
            folder.toString(),
            "-i",
            "-",
            "-o",
            "-",
            "--temp",
            "0",
            "-c",
            "64",
            "--ignore-eos");
    assertEquals(3, run.lines().size(), run.err());
    JsonNode plain = Json.mapper().readTree(run.lines().get(0));
    assertEquals(3, plain.path("token_ids").size(), plain.toString());
    JsonNode choices =
        Json.mapper().readTree(run.lines().get(1)).path("response").path("body").path("choices");
    assertEquals(2, choices.size());
    assertEquals(2, choices.get(1).path("token_ids").size());
    JsonNode text = Json.mapper().readTree(run.lines().get(2));
    assertTrue(
        text.path("error").path("message").asText().contains("expected token ids"),
        text.toString());
  }

  @Test
  void whoAsksWithTextIsAnsweredWithText() throws IOException {
    CommandRun run =
        withInput(
            "{\"prompt\":\"\",\"max_tokens\":2}\n",
            "batch",
            "-m",
            FOLDER,
            "-i",
            "-",
            "-o",
            "-",
            "--raw",
            "-c",
            "64");
    JsonNode answer = Json.mapper().readTree(run.lines().getFirst());
    assertTrue(answer.has("text") && !answer.has("token_ids"), answer.toString());
  }

  @Test
  void whatNeedsNoTextRuns() {
    assertEquals(ExitCode.DONE, yuzui("inspect", "-m", folder.toString()).exitCode());
    CommandRun bench =
        yuzui("bench", "-m", folder.toString(), "-p", "4", "-n", "2", "-r", "1", "-o", "json");
    assertEquals(ExitCode.DONE, bench.exitCode(), bench.err());
  }
}
