package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.ExitCode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A text comes with -p, as an argument, from a file, or through a pipe. */
class PromptSourcesTest {
  private static CommandRun generate(String input, String... args) {
    List<String> all = new ArrayList<>(List.of("generate", "-m", GGUF, "-n", "4", "--temp", "0"));
    all.addAll(List.of(args));
    return withInput(input, all.toArray(String[]::new));
  }

  @Test
  void anArgumentOrAPipeIsThePromptAsWithP() {
    CommandRun expected = generate("", "-p", "Hello");
    assertEquals(ExitCode.DONE, expected.exitCode(), expected.err());
    assertEquals(expected, generate("", "Hello"));
    assertEquals(expected, generate("Hello\n"));
    assertEquals(expected, generate("not this", "Hello"));
    assertEquals(expected, generate("", "--", "Hello"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          why is the sky blue | expected one text, found 5 words, 'why is the sky blue': put the text in quotes
          -p why is           | expected one text, found -p and 'is'
          why -f x            | a text and -f: expected one of them
          """)
  void wordsWithoutQuotesAreRefused(String words, String message) {
    CommandRun run = generate("", words.split(" "));
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains(message), run.err());
  }

  @Test
  void anEmptyPipeIsNoText() {
    assertTrue(generate("").err().contains("no text: give -p TEXT"));
  }

  private static String tokens(String... args) {
    List<String> all = new ArrayList<>(List.of("tokenize", "-m", FOLDER, "--no-bos", "--json"));
    all.addAll(List.of(args));
    CommandRun run = yuzui(all.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run.out().strip();
  }

  @Test
  void escapesAreReplacedWhenAskedFor() {
    assertEquals("[97,10,98]", tokens("-e", "-p", "a\\nb"));
    assertEquals("[9,92,34,39,13]", tokens("--escapes", "\\t\\\\\\\"\\'\\r"));
    assertEquals("[195,169,65]", tokens("-e", "\\xc3\\xa9\\x41"));
    assertEquals("[92,113,92,120,122,92]", tokens("-e", "\\q\\xz\\"), "what is no escape stays");
    assertEquals("[97,92,110]", tokens("a\\n"), "not without -e");
  }

  @Test
  void escapedBytesMustBeText() {
    CommandRun run = generate("", "-e", "-p", "\\xff");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("-p with -e: expected \\xHH that make UTF-8"), run.err());
  }
}
