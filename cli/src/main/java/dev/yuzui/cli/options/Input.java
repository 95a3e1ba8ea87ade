package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Texts;
import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Text from {@code -p}, without any flag, from a file, or from standard input, which is read where
 * nothing else is given and it is no terminal.
 */
public final class Input {
  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "TEXT",
      description = "The text, to its last character.")
  private Optional<String> prompt = Optional.empty();

  @Parameters(arity = "0..*", paramLabel = "TEXT", description = "The text, as -p.")
  private List<String> words = List.of();

  @Option(
      names = {"-e", "--escape", "--escapes"},
      description =
          "Make \\n, \\t, \\\\, \\\" and \\xHH in TEXT (and in --stop) what they stand for.")
  private boolean escapes;

  @Option(
      names = {"-f", "--file"},
      paramLabel = "FILE",
      description =
          "Read the text from a file; - is standard input. It is UTF-8. A byte order mark is no part"
              + " of it, CRLF is a newline, and one newline at the end is the editor's (with --raw,"
              + " where there is one, the text's).")
  private Optional<String> file = Optional.empty();

  public boolean given() {
    return prompt.isPresent() || file.isPresent() || !words.isEmpty();
  }

  /** What {@code -e} makes of the value of {@code flag}; without it, {@code text}. */
  public String unescaped(String flag, String text) {
    return escapes ? Escapes.replaced(flag, text) : text;
  }

  private Optional<String> typed() {
    if (words.size() > 1 || prompt.isPresent() && !words.isEmpty()) {
      throw new UsageException(
          "expected one text, found "
              + (prompt.isPresent() ? "-p and '" : words.size() + " words, '")
              + Texts.shorten(String.join(" ", words))
              + "': put the text in quotes");
    }
    return prompt.or(() -> words.stream().findFirst()).map(text -> unescaped("-p", text));
  }

  /** As llama.cpp takes it: a file ends before the newline that editors put there. */
  public String text(Context context) {
    String text = rawText(context);
    return typed().isPresent() ? text : withoutLastNewline(text);
  }

  /** To the last character. */
  public String rawText(Context context) {
    Optional<String> typed = typed();
    if (typed.isPresent() && file.isPresent()) {
      throw new UsageException(
          (prompt.isPresent() ? "-p" : "a text") + " and -f: expected one of them, found both");
    }
    return typed
        .or(() -> file.map(name -> read(context, "-f", name)))
        .or(() -> piped(context))
        .orElseThrow(
            () -> new UsageException("no text: give -p TEXT, -f FILE, or -f - for standard input"));
  }

  /** What stands before a {@code |}. */
  private static Optional<String> piped(Context context) {
    return context.surroundings().inIsTerminal()
        ? Optional.empty()
        : Optional.of(read(context, "-f", "-")).filter(text -> !text.isEmpty());
  }

  public static String withoutLastNewline(String text) {
    return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
  }

  /** A text file, or standard input where {@code name} is a dash. */
  public static String read(Context context, String flag, String name) {
    if (!name.equals("-")) {
      return read(flag, Path.of(name));
    }
    try {
      return text(flag + " " + name, context.in().readAllBytes());
    } catch (IOException e) {
      throw new FailedException("standard input cannot be read: " + e.getMessage());
    }
  }

  /** As every text file is read, see {@link Utf8#file}. */
  public static String read(String flag, Path file) {
    try {
      return text(flag + " " + file, Files.readAllBytes(file));
    } catch (NoSuchFileException _) {
      throw UsageException.ofFlag(flag, "a file", file + ", which does not exist");
    } catch (AccessDeniedException _) {
      throw UsageException.ofFlag(flag, "a readable file", file + ": permission denied");
    } catch (IOException e) {
      throw UsageException.ofFlag(flag, "a readable file", file + ": " + e.getMessage());
    }
  }

  private static String text(String what, byte[] bytes) {
    try {
      return Utf8.file(bytes);
    } catch (NotUtf8Exception e) {
      throw new UsageException(what + ": " + e.getMessage());
    }
  }
}
