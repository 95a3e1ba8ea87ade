package dev.yuzui.spark;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The embedded model without its chat template: it goes on with what it is given. */
final class PlainDemo {
  private PlainDemo() {}

  static String copy() {
    Path demo = Path.of(System.getProperty("yuzui.root"), "seeds/demo.gguf");
    try {
      Path copy = Files.createTempFile("plain-demo", ".gguf");
      copy.toFile().deleteOnExit();
      String text = Files.readString(demo, ISO_8859_1);
      return Files.writeString(
              copy, text.replace("tokenizer.chat_template", "tokenizer.lost_template"), ISO_8859_1)
          .toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
