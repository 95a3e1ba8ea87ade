package dev.yuzui.cli.options;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Named;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What an answer may be. */
public final class FormOptions {
  @Option(
      names = {"-j", "--json-schema"},
      paramLabel = "FILE|TEXT",
      description =
          "The answer is JSON that this JSON Schema allows ({}: any JSON), once the model has"
              + " thought.")
  private Optional<String> jsonSchema = Optional.empty();

  @Option(
      names = {"-jf", "--json-schema-file"},
      paramLabel = "FILE",
      hidden = true,
      description = "As --json-schema.")
  private Optional<String> jsonSchemaFile = Optional.empty();

  @Option(
      names = {"--grammar", "--grammar-file"},
      paramLabel = "FILE|TEXT",
      description = "The answer is a text of this grammar, in llama.cpp's notation (GBNF).")
  private Optional<String> grammar = Optional.empty();

  @Option(
      names = "--regex",
      paramLabel = "REGEX",
      description = "This regular expression matches the answer, the whole of it.")
  private Optional<String> regex = Optional.empty();

  @Option(
      names = "--choices",
      paramLabel = "A,B,...",
      description =
          "The answer is one of these texts; a JSON array of them where one has a comma in it.")
  private Optional<String> choices = Optional.empty();

  /** Flags that are given. */
  public List<String> given() {
    List<String> flags = new ArrayList<>();
    jsonSchema.ifPresent(_ -> flags.add("--json-schema"));
    jsonSchemaFile.ifPresent(_ -> flags.add("--json-schema-file"));
    grammar.ifPresent(_ -> flags.add("--grammar"));
    regex.ifPresent(_ -> flags.add("--regex"));
    choices.ifPresent(_ -> flags.add("--choices"));
    return flags;
  }

  /** The one that is given, its file read; what is wrong within is said once there is a model. */
  public Optional<GrammarSource> source(Context context) {
    List<String> given = given();
    if (given.size() > 1) {
      throw new UsageException(
          String.join(", ", given) + ": expected one of them, found " + given.size());
    }
    return given.stream().findFirst().map(flag -> new Named(flag, source(context, flag)));
  }

  private GrammarSource source(Context context, String flag) {
    return switch (flag) {
      case "--json-schema" -> new JsonSchema(schema(context, flag, jsonSchema.orElseThrow()));
      case "--json-schema-file" ->
          new JsonSchema(Input.read(context, flag, jsonSchemaFile.orElseThrow()));
      case "--grammar" -> new Gbnf(gbnf(context, flag, grammar.orElseThrow()));
      case "--regex" -> new Pattern(regex.orElseThrow());
      default -> new Choices(texts(flag, choices.orElseThrow()));
    };
  }

  /** A schema is an object or a truth value, which no file is called. */
  private static String schema(Context context, String flag, String given) {
    String text = given.strip();
    boolean schema = text.startsWith("{") || text.equals("true") || text.equals("false");
    return schema ? text : Input.read(context, flag, given);
  }

  private static String gbnf(Context context, String flag, String given) {
    return given.contains("::=") && !isFile(given) ? given : Input.read(context, flag, given);
  }

  private static boolean isFile(String name) {
    try {
      return Files.isRegularFile(Path.of(name));
    } catch (InvalidPathException _) {
      return false;
    }
  }

  private static List<String> texts(String flag, String given) {
    if (!given.strip().startsWith("[")) {
      return Arrays.asList(given.split(",", -1));
    }
    List<String> texts = new ArrayList<>();
    try {
      for (JsonNode each : Json.STRICT.readTree(given)) {
        if (!each.isTextual()) {
          throw UsageException.ofFlag(flag, "texts", each.toString());
        }
        texts.add(each.textValue());
      }
    } catch (JsonProcessingException _) {
      throw UsageException.ofFlag(flag, "a JSON array of texts", Texts.shorten(given));
    }
    return texts;
  }
}
