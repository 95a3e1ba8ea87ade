package dev.yuzui.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Text from {@code -p}, from a file, or from standard input. */
final class Input {
  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "TEXT",
      description = "The text.")
  private Optional<String> prompt = Optional.empty();

  @Option(
      names = {"-f", "--file"},
      paramLabel = "FILE",
      description = "Read the text from a file; - is standard input.")
  private Optional<String> file = Optional.empty();

  boolean given() {
    return prompt.isPresent() || file.isPresent();
  }

  /** Exactly as given. */
  String text(Context context) {
    if (prompt.isPresent() && file.isPresent()) {
      throw new UsageException("-p and -f: expected one of them, found both");
    }
    return prompt
        .or(() -> file.map(name -> read(context, "-f", name)))
        .orElseThrow(
            () -> new UsageException("no text: give -p TEXT, -f FILE, or -f - for standard input"));
  }

  static String read(Context context, String flag, String name) {
    try {
      byte[] bytes =
          name.equals("-") ? context.in().readAllBytes() : Files.readAllBytes(Path.of(name));
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException _) {
      throw UsageException.ofFlag(
          flag + " " + name, "UTF-8 text", "other bytes; convert it with iconv");
    } catch (NoSuchFileException _) {
      throw UsageException.ofFlag(flag, "a file", name + ", which does not exist");
    } catch (IOException e) {
      throw UsageException.ofFlag(flag, "a readable file", name + ": " + e.getMessage());
    }
  }
}
