package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code --prompt-cache}, with the demo model. */
class PromptCacheCommandTest {
  private static final String DEMO =
      Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf").toString();

  /** More than a page of 64 tokens. */
  private static final String TALE =
      "Once upon a time there was a king who had twelve daughters, each one more beautiful than the"
          + " other. They slept together in a hall where their beds stood close to one another, and"
          + " at night when they had lain down, the king locked the door and bolted it. But in the"
          + " morning, when he opened the door again, he saw that their shoes were";

  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("tale.kv");
  }

  @Test
  void theSecondRunReadsOnlyWhatIsNew() {
    JsonNode first = json(TALE);
    assertEquals(0, first.at("/timings/cached_tokens").asInt());
    int prompt = first.at("/timings/prompt_tokens").asInt();
    JsonNode second = json(TALE);
    assertEquals(first.get("tokens"), second.get("tokens"));
    assertEquals(first.get("text"), second.get("text"));
    int cached = second.at("/timings/cached_tokens").asInt();
    assertEquals(prompt / 64 * 64, cached);
    assertEquals(prompt - cached, second.at("/timings/prompt_tokens").asInt());
    JsonNode third = json(TALE + first.get("text").asText() + " The end.");
    assertTrue(third.at("/timings/cached_tokens").asInt() > cached, third.toString());
  }

  @Test
  void timingsTellWhatWasCached() {
    generate(TALE, "-N", "2");
    CommandRun again = generate(TALE, "--show-timings");
    assertTrue(again.err().contains("; prompt 64 tokens cached, "), again.err());
  }

  @Test
  void anotherModelsFileIsRefusedAndKept() throws IOException {
    generate(TALE);
    byte[] before = Files.readAllBytes(file);
    CommandRun run =
        CommandRun.yuzui(
            "generate", "-m", CommandRun.GGUF, "-p", "x", "--prompt-cache", file.toString());
    assertRefused(run, file + ": model: expected ");
    assertArrayEquals(before, Files.readAllBytes(file));
  }

  @Test
  void aDamagedFileIsRefused() throws IOException {
    generate(TALE);
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
    assertRefused(generate(TALE), "it is truncated or damaged; delete it and let the prompt be");
    assertRefused(
        CommandRun.yuzui("chat", "-m", DEMO, "--prompt-cache", file.toString()), "truncated");
    Files.writeString(file, "The king and his twelve daughters, a tale for children");
    assertRefused(generate(TALE), "name a file that yuzui saved");
  }

  @Test
  void aFolderInItsPlaceIsRefused() {
    file = folder;
    assertRefused(generate(TALE), "yuzui: " + folder + ": ");
    file = folder.resolve("nowhere/tale.kv");
    assertRefused(generate(TALE), "--prompt-cache: expected a file in a folder that exists");
    assertFalse(Files.exists(file));
  }

  @Test
  void aChatGoesOnWhereItEnded() {
    Path talk = folder.resolve("talk.json");
    CommandRun first = chat(TALE + "\n/save " + talk + "\n/exit\n");
    assertEquals(ExitCode.DONE, first.exitCode(), first.err());
    assertTrue(Files.exists(file));
    CommandRun second = chat("/load " + talk + "\nAnd then\n/stats\n");
    assertEquals(ExitCode.DONE, second.exitCode(), second.err());
    assertTrue(second.err().contains("; prompt 64 tokens cached, "), second.err());
    file = folder.resolve("another.kv"); // as little known as at first
    CommandRun whole = chat(TALE + "\nAnd then\n");
    assertEquals(first.out() + second.out(), whole.out());
  }

  private CommandRun chat(String input) {
    return CommandRun.withInput(
        input, "chat", "-m", DEMO, "-n", "20", "--temp", "0", "--prompt-cache", file.toString());
  }

  private static void assertRefused(CommandRun run, String why) {
    assertEquals(ExitCode.USAGE, run.exitCode(), run.err());
    assertEquals("", run.out());
    assertTrue(run.err().contains(why), run.err());
  }

  private CommandRun generate(String prompt, String... more) {
    List<String> args =
        new ArrayList<>(
            List.of("generate", "--raw", "-m", DEMO, "-p", prompt, "-n", "60", "--temp", "0"));
    args.addAll(List.of("--prompt-cache", file.toString(), "--ignore-eos"));
    args.addAll(List.of(more));
    return CommandRun.yuzui(args.toArray(String[]::new));
  }

  private JsonNode json(String prompt) {
    // steps of other lengths round otherwise, which chooses another word at times: as it is, then
    CommandRun run = generate(prompt, "--json", "--no-repack", "--kv-cache-dtype", "f32");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run.json();
  }
}
