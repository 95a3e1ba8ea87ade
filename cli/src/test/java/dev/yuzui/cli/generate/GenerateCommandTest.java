package dev.yuzui.cli.generate;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.names;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GenerateCommandTest {
  @Test
  void jsonIsOneObjectOfTextTokensFinishReasonAndTimings() {
    CommandRun run =
        yuzui("generate", "-m", FOLDER, "--raw", "-p", "Hello", "-n", "5", "--seed", "1", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode json = run.json();
    assertEquals(List.of("text", "tokens", "finish_reason", "timings", "speculative"), names(json));
    assertEquals(5, json.get("tokens").size());
    assertTrue(json.get("tokens").get(0).isInt());
    assertEquals("length", json.get("finish_reason").asText());
    JsonNode timings = json.get("timings");
    assertEquals(
        List.of(
            "load_seconds",
            "cached_tokens",
            "prompt_tokens",
            "prompt_per_second",
            "predicted_tokens",
            "predicted_per_second"),
        names(timings));
    assertEquals(6, timings.get("prompt_tokens").asInt(), "BOS and five letters");
    assertEquals(5, timings.get("predicted_tokens").asInt());
    assertTrue(timings.get("load_seconds").asDouble() > 0);
    assertTrue(timings.get("predicted_per_second").asDouble() > 0);
  }

  @Test
  void textGoesToStdoutAndNothingElseDoes() {
    String text = greedy("--json").json().get("text").asText();
    CommandRun run = greedy("--show-timings");
    assertEquals(text + "\n", run.out());
    assertTrue(run.err().startsWith("load "), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
  }

  @Test
  void theSameSeedGivesTheSameTextAndAnotherSeedAnother() {
    List<String> texts =
        List.of("7", "7", "8").stream()
            .map(s -> yuzui("generate", "-m", FOLDER, "-p", "a", "-n", "12", "--seed", s).out())
            .toList();
    assertEquals(texts.get(0), texts.get(1));
    assertNotEquals(texts.get(0), texts.get(2));
  }

  @Test
  void guessesByTheMtpLayerAreCountedAndChangeNothing() {
    JsonNode without = greedy("--json").json();
    JsonNode with = greedy("--json", "--spec-type", "draft-mtp", "--spec-draft-n-max", "2").json();
    assertEquals(without.get("tokens"), with.get("tokens"));
    assertEquals(0, without.at("/speculative/drafts").asInt());
    assertTrue(with.at("/speculative/draft_tokens").asInt() > 0, with.toString());
    assertEquals(
        List.of("drafts", "draft_tokens", "accepted_tokens", "acceptance_rate"),
        names(with.get("speculative")));
  }

  @Test
  void severalAnswersTakeSeedsThatCountUp() {
    String[] command = {"generate", "-m", GGUF, "-p", "Hello", "-n", "8", "--seed", "7", "-N", "3"};
    JsonNode together =
        yuzui(Stream.concat(Stream.of(command), Stream.of("--json")).toArray(String[]::new)).json();
    StringBuilder texts = new StringBuilder();
    for (int i = 0; i < 3; i++) {
      command[8] = "" + (7 + i);
      command[10] = "1";
      CommandRun alone = yuzui(command);
      assertEquals(alone.out(), together.get(i).get("text").asText() + "\n");
      texts.append(alone.out());
    }
    assertEquals(3, together.size());
    command[8] = "7";
    command[10] = "3";
    assertEquals(texts.toString(), yuzui(command).out());
  }

  @Test
  void thePromptMayComeFromStandardInputWithoutItsLastNewline() {
    CommandRun piped =
        withInput("Hello\n", "generate", "-m", GGUF, "-f", "-", "-n", "8", "--temp", "0");
    assertEquals(greedy().out(), piped.out());
  }

  @Test
  void aStopTextEndsTheGenerationAndIsLeftOut() {
    String text = greedy("--json").json().get("text").asText();
    int at = text.offsetByCodePoints(0, 2);
    String stop = text.substring(at, text.offsetByCodePoints(at, 1));
    JsonNode json = greedy("--json", "--stop", stop).json();
    assertEquals("stop", json.get("finish_reason").asText());
    assertEquals(text.substring(0, text.indexOf(stop)), json.get("text").asText());
  }

  @Test
  void aForbiddenTokenIsNeverMade() {
    JsonNode before = greedy("--json").json().get("tokens");
    int first = before.get(0).asInt();
    JsonNode tokens = greedy("--json", "--logit-bias", first + "-inf").json().get("tokens");
    assertEquals(before.size(), tokens.size());
    assertTrue(tokens.valueStream().noneMatch(t -> t.asInt() == first), tokens.toString());
  }

  @Test
  void aPromptLongerThanTheContextIsRefusedBeforeItRuns() {
    CommandRun run = yuzui("generate", "-m", GGUF, "-p", "x".repeat(70), "-c", "64");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertEquals("", run.out());
    assertTrue(
        run.err().contains("71") && run.err().contains("64") && run.err().contains("-c"),
        run.err());
  }

  @Test
  void aSystemPromptNeedsAChatTemplate() {
    CommandRun run = yuzui("generate", "-m", GGUF, "-p", "x", "-sys", "be brief");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("-sys") && run.err().contains("--chat-template"), run.err());
  }

  @Test
  void controlTokensInAPromptAreLettersUnlessItIsRaw() {
    List<String> command =
        List.of("generate", "-m", FOLDER, "-p", "a<｜User｜>", "-n", "1", "--json");
    int letters = "<｜User｜>".getBytes(UTF_8).length;
    assertEquals(4 + letters, promptTokens(command), "BOS, user, a, assistant");
    assertEquals(3, promptTokens(with(command, "--raw")));
  }

  @Test
  void aModelThatCanDoBothThinksOrDoesNot() {
    List<String> command =
        List.of(
            "generate",
            "-m",
            FOLDER,
            "-p",
            "a",
            "-n",
            "1",
            "--json",
            "--chat-template",
            "deepseek-v3.1");
    int usual = promptTokens(command);
    assertEquals(usual, promptTokens(with(command, "--think", "off")), "V3.1 does not by itself");
    int thinks = promptTokens(with(command, "--think", "on"));
    assertEquals("</think>".length() - "<think>".length(), usual - thinks);
    for (String kwargs : List.of("{\"thinking\":true}", "{\"enable_thinking\":true}")) {
      assertEquals(thinks, promptTokens(with(command, "--chat-template-kwargs", kwargs)));
    }
  }

  @Test
  void aSystemPromptMayComeFromAFile(@TempDir Path folder) throws IOException {
    String file = Files.writeString(folder.resolve("system"), "be brief\r\n").toString();
    List<String> command = List.of("generate", "-m", FOLDER, "-p", "a", "-n", "1", "--json");
    assertEquals(
        promptTokens(with(command, "-sys", "be brief")),
        promptTokens(with(command, "-sysf", file)));
  }

  private static List<String> with(List<String> command, String... more) {
    return Stream.concat(command.stream(), Stream.of(more)).toList();
  }

  private static int promptTokens(List<String> command) {
    return yuzui(command.toArray(String[]::new)).json().at("/timings/prompt_tokens").asInt();
  }

  private static String demo() {
    return Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf").toString();
  }

  /** README's first example. */
  @Test
  void theEmbeddedDemoTellsTheStoryItIsAskedFor() {
    String request = "Tell me a story about a fox.";
    CommandRun run =
        yuzui("generate", "-m", demo(), "-p", request, "-n", "120", "--temp", "0", "-v");
    assertTrue(run.out().toLowerCase(Locale.ROOT).contains("fox"), run.out());
    assertTrue(run.err().contains("chat template: the model's"), run.err());
  }

  @Test
  void theEmbeddedDemoContinuesAStory() {
    CommandRun run =
        yuzui(
            "generate", "-m", demo(), "-p", "Once upon a time", "-n", "12", "--temp", "0", "--raw");
    assertTrue(run.out().startsWith(", and the"), run.out());
  }

  private static CommandRun greedy(String... more) {
    List<String> args =
        new java.util.ArrayList<>(
            List.of("generate", "-m", GGUF, "-p", "Hello", "-n", "8", "--temp", "0"));
    args.addAll(List.of(more));
    return yuzui(args.toArray(String[]::new));
  }
}
