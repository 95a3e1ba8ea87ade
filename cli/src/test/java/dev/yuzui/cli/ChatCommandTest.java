package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatCommandTest {
  @TempDir private Path folder;

  @Test
  void linesComeInAndAnswersGoOut() {
    CommandRun run = chat("Hello\nAgain\n");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    CommandRun generated =
        CommandRun.yuzui("generate", "-m", GGUF, "-p", "Hello", "-n", "4", "--temp", "0");
    assertTrue(run.out().startsWith(generated.out()), run.out() + " / " + generated.out());
    assertTrue(run.out().length() > generated.out().length());
  }

  @Test
  void theNextTurnReusesTheCache() {
    CommandRun run = chat("Hello ".repeat(12) + "\nAgain\n/stats\n");
    // BOS and 72 letters are more than a page of 64
    assertTrue(run.err().contains("; prompt 64 tokens cached, "), run.err());
    assertTrue(run.err().contains("4 messages"), run.err());
  }

  @Test
  void resetForgetsTheConversation() {
    CommandRun run = chat("Hello\n/reset\nHello\n/stats\n");
    assertTrue(run.err().contains("2 messages"), run.err());
    CommandRun once = chat("Hello\n");
    assertEquals(once.out() + once.out(), run.out());
  }

  @Test
  void aConversationIsSavedAndLoaded() throws IOException {
    Path file = folder.resolve("talk with spaces.json");
    assertEquals(0, chat("Hello\n/save " + file + "\n").exitCode());
    JsonNode saved = Json.mapper().readTree(Files.readString(file));
    assertEquals(2, saved.size());
    assertEquals("user", saved.at("/0/role").asText());
    assertEquals("Hello", saved.at("/0/content").asText());
    assertEquals("assistant", saved.at("/1/role").asText());
    assertEquals(
        chat("Hello\nAgain\n").lines().getLast(),
        chat("/load " + file + "\nAgain\n").lines().getLast());
  }

  @Test
  void mistakesAreToldAndTheChatGoesOn() throws IOException {
    Path bad = Files.writeString(folder.resolve("bad.json"), "{\"role\": 1}");
    CommandRun run =
        chat(
            "/frobnicate\n/save\n/load nowhere.json\n/load "
                + bad
                + "\n/system be kind\n/help\nHello\n/exit\nNever\n");
    assertEquals(ExitCode.DONE, run.exitCode());
    assertTrue(run.err().contains("/frobnicate: no such command"), run.err());
    assertTrue(run.err().contains("/save: expected a file name, found none"), run.err());
    assertTrue(run.err().contains("nowhere.json, which does not exist"), run.err());
    assertTrue(run.err().contains(bad + ": expected a JSON array"), run.err());
    assertTrue(run.err().contains("/system: this model has no chat template"), run.err());
    assertTrue(run.err().contains("/reset        forget the conversation"), run.err());
    assertEquals(chat("Hello\n").out(), run.out());
  }

  @Test
  void aTurnThatDoesNotFitIsTakenBack() {
    CommandRun run = chat("x".repeat(600) + "\nHello\n/stats\n");
    assertTrue(run.err().contains("-c") && run.err().contains("/reset"), run.err());
    assertEquals(chat("Hello\n").out(), run.out());
    assertTrue(run.err().contains("2 messages"), run.err());
  }

  @Test
  void aModelWithATemplateTakesASystemPromptAndKeepsItOverAReset() throws IOException {
    Path file = folder.resolve("talk.json");
    String lines = "/system Be brief.\nHello\n/reset\nHello\n/save " + file + "\n";
    CommandRun run =
        withInput(
            lines,
            "chat",
            "-m",
            FOLDER,
            "-n",
            "4",
            "--temp",
            "0",
            "--chat-template",
            "deepseek-v2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(2, run.lines().size(), run.out());
    assertEquals(run.lines().get(0), run.lines().get(1));
    JsonNode saved = Json.mapper().readTree(Files.readString(file));
    assertEquals("system", saved.at("/0/role").asText());
    assertEquals("Be brief.", saved.at("/0/content").asText());
    assertEquals(3, saved.size());
  }

  private static CommandRun chat(String input) {
    return withInput(input, "chat", "-m", GGUF, "-n", "4", "--temp", "0");
  }
}
