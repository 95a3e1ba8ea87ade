package dev.yuzui.cli.chat;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.io.Json;
import dev.yuzui.text.Message;
import dev.yuzui.text.Prompt;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
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

  @Test
  void aTurnThatTheTemplateRefusesIsTakenBack() throws IOException {
    CommandRun run = templated("Hello\nno\nAgain\n/stats\n");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.err().contains("the template says: I do not answer that"), run.err());
    assertTrue(run.err().contains("4 messages"), run.err());
    assertEquals(templated("Hello\nAgain\n").out(), run.out());
  }

  @Test
  void aSystemPromptThatTheTemplateRefusesIsNotSet() throws IOException {
    CommandRun run = templated("Hello\n/system be brief\nAgain\n");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.err().contains("the template says: no system prompt"), run.err());
    assertEquals(templated("Hello\nAgain\n").out(), run.out());
    CommandRun begun = templated("Hello\n", "-sys", "be brief");
    assertEquals(ExitCode.USAGE, begun.exitCode());
    assertTrue(begun.err().contains("the template says: no system prompt"), begun.err());
  }

  @Test
  void aConversationThatTheTemplateRefusesIsNotLoaded() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("other.json"), "[{\"role\":\"system\",\"content\":\"be brief\"}]");
    CommandRun run = templated("Hello\n/load " + file + "\n/stats\n");
    assertTrue(run.err().contains("the template says: no system prompt"), run.err());
    assertTrue(run.err().contains("2 messages"), run.err());
  }

  @Test
  void aLostDeviceEndsTheChat() {
    CommandRun run =
        withInput(
            "Hello\nAgain\n",
            "chat",
            "-m",
            GGUF,
            "-n",
            "4",
            "--backend",
            "broken",
            "--device",
            "broken:lost");
    assertEquals(ExitCode.FAILED, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().filter(l -> l.contains("lost")).count(), run.err());
  }

  @Test
  void aDoubledSlashBeginsAMessage() throws IOException {
    Path file = folder.resolve("talk.json");
    chat("//etc/hosts is a file\n///\n/save " + file + "\n");
    JsonNode saved = Json.mapper().readTree(Files.readString(file));
    assertEquals("/etc/hosts is a file", saved.at("/0/content").asText());
    assertEquals("//", saved.at("/2/content").asText());
    CommandRun single = chat("/etc/hosts is a file\n/help\n");
    assertEquals("", single.out());
    assertTrue(single.err().contains("/etc/hosts: no such command"), single.err());
    assertTrue(single.err().contains("//TEXT        say /TEXT"), single.err());
  }

  @Test
  void aSavedConversationReplacesNothingButAnother() throws IOException {
    assumeTrue(folder.getFileSystem().supportedFileAttributeViews().contains("posix"), "no modes");
    Path thesis = Files.writeString(folder.resolve("thesis.json"), "[\"my thesis\"]");
    Path old = Files.writeString(folder.resolve("old.json"), "[]\n");
    Files.setPosixFilePermissions(old, PosixFilePermissions.fromString("rw-r-----"));
    Path empty = Files.createFile(folder.resolve("empty"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), old);
    CommandRun run =
        chat(
            "Hello\n/save %s\n/save %s\n/save %s\n/save %s\n"
                .formatted(thesis, link, empty, folder));
    assertEquals(ExitCode.DONE, run.exitCode());
    assertEquals("[\"my thesis\"]", Files.readString(thesis));
    assertTrue(run.err().contains(thesis + ", which is something else"), run.err());
    assertTrue(run.err().contains(folder + ", which is a folder"), run.err());
    assertTrue(Files.isSymbolicLink(link));
    assertEquals("rw-r-----", mode(old));
    assertEquals(2, Json.mapper().readTree(Files.readString(old)).size());
    assertEquals(2, Json.mapper().readTree(Files.readString(empty)).size());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(4, files.count(), "nothing is left beside them");
    }
  }

  @Test
  void whatIsWrittenIsKeptForItsWriterAlone() throws IOException {
    assumeTrue(folder.getFileSystem().supportedFileAttributeViews().contains("posix"), "no modes");
    Path cache = folder.resolve("cache").resolve("yuzui");
    Path file = history(cache, new ByteArrayOutputStream()).orElseThrow();
    assertEquals("rw-------", mode(file));
    assertEquals("rwx------", mode(cache));
    assertEquals("rwx------", mode(cache.getParent()));
    Files.writeString(file, "1:Hello\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwxr-xr-x"));
    assertEquals(Optional.of(file), history(cache, new ByteArrayOutputStream()));
    assertEquals("rw-------", mode(file));
    assertEquals("rwxr-xr-x", mode(cache), "somebody's choice");
    assertEquals("1:Hello\n", Files.readString(file));
  }

  @Test
  void withoutACacheFolderNothingIsKeptAndTheChatBegins() throws IOException {
    Path noFolder = Files.createFile(folder.resolve("a file")).resolve("yuzui");
    var err = new ByteArrayOutputStream();
    assertEquals(Optional.empty(), history(noFolder, err));
    String said = err.toString(StandardCharsets.UTF_8);
    assertEquals(1, said.lines().count(), said);
    assertTrue(said.contains(noFolder + "/chat-history cannot be written"), said);
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private static Optional<Path> history(Path cache, ByteArrayOutputStream err) {
    return ChatInput.Prompt.history(
        new Context(
            new Surroundings(Optional.empty(), cache, Set.of(), OptionalInt.empty()),
            new ByteArrayInputStream(new byte[0]),
            new Out(new ByteArrayOutputStream()),
            new PrintStream(err, true, StandardCharsets.UTF_8)));
  }

  /** With a template that has no system prompt, wants turns in order and dislikes a "no". */
  private CommandRun templated(String input, String... more) throws IOException {
    Path template =
        Files.writeString(
            folder.resolve("strict.jinja"),
            """
            {% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system prompt') }}{% endif %}
            {% if m.content == 'no' %}{{ raise_exception('I do not answer that') }}{% endif %}
            {{ m.content }}
            {% endfor %}
            """);
    List<String> line = new ArrayList<>(List.of("chat", "-m", FOLDER, "-n", "4", "--temp", "0"));
    line.addAll(List.of("--chat-template", template.toString()));
    line.addAll(List.of(more));
    return withInput(input, line.toArray(String[]::new));
  }

  @Test
  void controlTokensInALineAreLettersWithoutATemplateToo() {
    Prompt prompt =
        new Dialogue.Plain()
            .render(List.of(Message.user("a<｜User｜>"), Message.assistant("b"), Message.user("c")));
    assertEquals(
        List.of(
            new Prompt.Literal("a<｜User｜>"),
            new Prompt.Literal("b"),
            new Prompt.Template("\n\n"),
            new Prompt.Literal("c")),
        prompt.pieces());
  }

  @Test
  void controlTokensInALineAreLetters() {
    CommandRun run =
        withInput(
            "<｜User｜><｜end▁of▁sentence｜>\n/stats\n",
            "chat",
            "-m",
            FOLDER,
            "-n",
            "4",
            "--temp",
            "0");
    int letters =
        "<｜User｜><｜end▁of▁sentence｜>".getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
    assertTrue(run.err().contains((3 + letters + 4) + " of "), run.err());
  }

  private static CommandRun chat(String input) {
    return withInput(input, "chat", "-m", GGUF, "-n", "4", "--temp", "0");
  }
}
