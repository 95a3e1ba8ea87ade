package dev.yuzui.cli.options;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whichever way a text comes in, it is the same text. */
class InputTest {
  @TempDir private Path folder;

  /** Tokens of a prompt that {@code generate} reads; those of the tiny model are bytes. */
  private static int promptTokens(CommandRun run) {
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run.json().path("timings").path("prompt_tokens").asInt();
  }

  private int ofFile(String text, String... more) throws IOException {
    Path file = Files.writeString(folder.resolve("text"), text);
    int tokens = generate("-f", file.toString(), more);
    byte[] bytes = Files.readAllBytes(file);
    assertEquals(tokens, promptTokens(withInput(bytes, command("-f", "-", more))), "stdin");
    return tokens;
  }

  private static int generate(String flag, String value, String... more) {
    return promptTokens(yuzui(command(flag, value, more)));
  }

  private static String[] command(String flag, String value, String... more) {
    List<String> all = new ArrayList<>(List.of("generate", "-m", FOLDER, flag, value));
    all.addAll(List.of("-n", "1", "--temp", "0", "--json", "-c", "256"));
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }

  @Test
  void aFileIsItsTextWithoutWhatEditorsAdd() throws IOException {
    int bare = generate("-p", "ab");
    assertEquals(bare, ofFile("ab"));
    assertEquals(bare, ofFile("ab\n"));
    assertEquals(bare, ofFile("\uFEFFab"));
    assertEquals(bare, ofFile("\uFEFFab\r\n"));
    assertEquals(generate("-p", "a\nb\n"), ofFile("a\r\nb\r\n\r\n"));
  }

  @Test
  void aPromptOfTheCommandLineIsTakenAsGiven() {
    int bare = generate("-p", "ab");
    assertEquals(bare + 1, generate("-p", "ab\n"));
    assertEquals(bare + 2, generate("-p", "ab\r\n"));
    assertEquals(bare + 3, generate("-p", "\uFEFFab"));
    assertEquals(generate("-p", "ab", "--raw") + 1, generate("-p", "ab\n", "--raw"));
  }

  @Test
  void rawFilesKeepTheirLastNewline() throws IOException {
    int bare = generate("-p", "ab", "--raw");
    assertEquals(bare + 1, ofFile("ab\n", "--raw"));
    assertEquals(bare + 1, ofFile("\uFEFFab\r\n", "--raw"));
    assertEquals(bare, ofFile("ab", "--raw"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"generate", "tokenize", "perplexity", "logits", "experts"})
  void bytesThatAreNoTextAreRefusedWithTheirOffset(String command) throws IOException {
    byte[] latin1 = "caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1);
    Path file = Files.write(folder.resolve("text"), latin1);
    for (String name : List.of(file.toString(), "-")) {
      List<String> words = new ArrayList<>(List.of(command, "-m", FOLDER, "-f", name));
      if (command.equals("logits")) {
        words.addAll(List.of("--out", folder.resolve("logits").toString()));
      }
      CommandRun run = withInput(latin1, words.toArray(String[]::new));
      assertEquals(ExitCode.USAGE, run.exitCode());
      assertEquals("", run.out());
      assertEquals(
          "yuzui: -f "
              + name
              + ": expected UTF-8 text, found byte 0xE9 at offset 3; convert it with iconv -f"
              + " ITS-ENCODING -t UTF-8\n",
          run.err());
    }
  }

  @ParameterizedTest
  @CsvSource({"UTF-16LE, FF FE", "UTF-16BE, FE FF"})
  void anotherEncodingIsNamedWithTheFix(String encoding, String bytes) {
    byte[] text = "\uFEFFhello".getBytes(Charset.forName(encoding));
    CommandRun run = withInput(text, "tokenize", "-m", FOLDER, "-f", "-");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("begins with bytes " + bytes), run.err());
    assertTrue(run.err().contains("iconv -f UTF-16 -t UTF-8"), run.err());
  }

  @Test
  void templatesAreReadAsOtherTexts() throws IOException {
    String template = "{%- for m in messages %}\n{{ m.content }}\n{%- endfor %}\n";
    Path plain = Files.writeString(folder.resolve("plain.jinja"), template);
    Path edited =
        Files.writeString(
            folder.resolve("edited.jinja"), "\uFEFF" + template.replace("\n", "\r\n"));
    assertEquals(
        generate("-p", "ab", "--chat-template", plain.toString()),
        generate("-p", "ab", "--chat-template", edited.toString()));
    Path latin1 =
        Files.write(folder.resolve("x.jinja"), "\u00e9".getBytes(StandardCharsets.ISO_8859_1));
    CommandRun run = yuzui(command("-p", "ab", "--chat-template", latin1.toString()));
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("byte 0xE9 at offset 0"), run.err());
  }

  @Test
  void aChatRefusesALineThatIsNoTextAndTakesTheNext() {
    byte[] lines = "caf\u00e9\nhello\n".getBytes(StandardCharsets.ISO_8859_1);
    CommandRun run = withInput(lines, "chat", "-m", FOLDER, "-n", "1", "--temp", "0");
    assertTrue(
        run.err().contains("standard input: expected UTF-8 text, found byte 0xE9"), run.err());
    assertEquals(
        withInput("hello\n", "chat", "-m", FOLDER, "-n", "1", "--temp", "0").out(), run.out());
  }
}
