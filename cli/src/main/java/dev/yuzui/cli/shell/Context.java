package dev.yuzui.cli.shell;

import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** What a command may touch of the process it runs in. */
public record Context(Surroundings surroundings, InputStream in, Out out, PrintStream err) {
  /** The same, but what is said on stderr is dropped. */
  public Context silent() {
    return new Context(
        surroundings,
        in,
        out,
        new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
  }
}
