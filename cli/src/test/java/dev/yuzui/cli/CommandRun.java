package dev.yuzui.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.io.Json;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** What a command line did. */
public record CommandRun(int exitCode, String out, String err) {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");

  /** A tiny random V3 model whose vocabulary is bytes, BOS 256 and EOS 257. */
  public static final String FOLDER = GOLDEN.resolve("v3-f32").toString();

  public static final String GGUF = GOLDEN.resolve("gguf-v3-f32").resolve("model.gguf").toString();

  /** A tiny random V3.2 model that looks at 16 entries. */
  public static final String SPARSE = GOLDEN.resolve("v32-f32").toString();

  public static CommandRun yuzui(String... args) {
    return withInput("", args);
  }

  public static CommandRun withInput(String input, String... args) {
    return withInput(input.getBytes(StandardCharsets.UTF_8), args);
  }

  public static CommandRun withInput(byte[] input, String... args) {
    return in(
        new Surroundings(
            Optional.empty(), Path.of("target", "no-such-cache"), Set.of(), OptionalInt.empty()),
        input,
        args);
  }

  public static CommandRun in(Surroundings surroundings, byte[] input, String... args) {
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    Context context =
        new Context(
            surroundings,
            new ByteArrayInputStream(input),
            new Out(out),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    int code = Cli.run(context, args);
    return new CommandRun(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  public JsonNode json() {
    try {
      return Json.mapper().readTree(out);
    } catch (IOException e) {
      throw new UncheckedIOException(out, e);
    }
  }

  public List<String> lines() {
    return out.lines().toList();
  }

  public static List<String> names(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }
}
