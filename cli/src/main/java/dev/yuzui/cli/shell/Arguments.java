package dev.yuzui.cli.shell;

import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The words of a command line as they were typed. The JVM decodes them before a program sees them,
 * and puts U+FFFD where bytes are no text of its locale's; Linux still has the bytes.
 */
public final class Arguments {
  private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");
  private static final char REPLACEMENT = '\uFFFD';

  private Arguments() {}

  /**
   * @param args what {@code main} was given
   * @throws UsageException if a word is no UTF-8
   */
  public static String[] asTyped(String[] args) {
    return asTyped(commandLine(), args);
  }

  /**
   * @param commandLine all words of the process, each with a zero byte behind it
   */
  public static String[] asTyped(Optional<byte[]> commandLine, String[] args) {
    Optional<List<byte[]>> typed = commandLine.map(Arguments::words).flatMap(w -> last(w, args));
    String[] out = args.clone();
    for (int i = 0; i < args.length; i++) {
      if (typed.isPresent()) {
        byte[] word = typed.get().get(i);
        try {
          out[i] = Utf8.text(word, 0, word.length, 0);
        } catch (NotUtf8Exception e) {
          throw new UsageException(name(args, i) + ": " + e.getMessage());
        }
      } else if (args[i].indexOf(REPLACEMENT) >= 0) {
        throw UsageException.ofFlag(
            name(args, i),
            "UTF-8 text",
            "U+FFFD, which stands where bytes are none; give the text in a file, with -f");
      }
    }
    return out;
  }

  private static Optional<byte[]> commandLine() {
    try {
      return Optional.of(Files.readAllBytes(COMMAND_LINE));
    } catch (IOException _) {
      return Optional.empty(); // another system
    }
  }

  private static List<byte[]> words(byte[] commandLine) {
    List<byte[]> words = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < commandLine.length; i++) {
      if (commandLine[i] == 0) {
        words.add(Arrays.copyOfRange(commandLine, from, i));
        from = i + 1;
      }
    }
    return words;
  }

  /**
   * Those that {@code args} were made of; empty if they were not, as in a JVM started otherwise.
   */
  private static Optional<List<byte[]>> last(List<byte[]> words, String[] args) {
    if (words.size() < args.length) {
      return Optional.empty();
    }
    List<byte[]> last = words.subList(words.size() - args.length, words.size());
    for (int i = 0; i < args.length; i++) {
      String ascii = new String(last.get(i), StandardCharsets.US_ASCII);
      if (ascii.indexOf(REPLACEMENT) < 0 && !ascii.equals(args[i])) {
        return Optional.empty();
      }
    }
    return Optional.of(last);
  }

  /** The flag that a word belongs to, or its place. */
  private static String name(String[] args, int i) {
    String flag = i > 0 && args[i - 1].startsWith("-") ? args[i - 1] : "";
    int sign = args[i].indexOf('=');
    if (args[i].startsWith("-") && sign > 0) {
      flag = args[i].substring(0, sign);
    }
    return flag.isEmpty() ? "word " + (i + 1) + " of the command line" : flag;
  }
}
