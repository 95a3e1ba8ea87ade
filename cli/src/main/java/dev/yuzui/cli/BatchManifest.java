package dev.yuzui.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.weights.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * What a batch's answers are made with, beside what the lines themselves say. It lies beside the
 * output, as {@code OUT.manifest.json}, so that another run does not mix answers of another model
 * or other flags into it:
 *
 * <pre>
 * {"format": "yuzui-batch", "version": 1, "yuzui": "…",
 *  "made_with": {"-m": "name and fingerprint", "tokenizer.json": "sha256:…", "--temp": 0.5, …},
 *  "run_with": {"-c": 4096, …}}
 * </pre>
 *
 * Flags that are not given are not there.
 *
 * @param yuzui the version that began
 * @param madeWith what has to be the same for the answers to belong together
 * @param runWith what may change, but can show in them
 */
record BatchManifest(String yuzui, Map<String, JsonNode> madeWith, Map<String, JsonNode> runWith) {
  private static final String FORMAT = "yuzui-batch";
  private static final int VERSION = 1;
  private static final long MAX_BYTES = 1 << 20;

  /** They say where requests come from and go to. */
  private static final Set<String> NOT_OF_ANSWERS =
      Set.of("--input", "--output", "--resume", "--unordered");

  /** How a model is run, which makes the same answers but for what {@link #SHOWING} names. */
  private static final List<String> HOW_TO_RUN =
      List.of("modelOptions", "distributionOptions", "speculationOptions");

  /** They round otherwise, or end long texts elsewhere. */
  private static final List<String> SHOWING =
      List.of(
          "-c",
          "--max-model-len",
          "--fit",
          "--backend",
          "--device",
          "--kv-cache-dtype",
          "-ctk",
          "-ctv",
          "--no-repack");

  /** Flags among those of how it is run that change what the model is. */
  private static final List<String> OF_MODEL = List.of("--override-kv");

  /** Files of a model's folder that say how a text is read and drawn. */
  private static final String BESIDE_WEIGHTS =
      "{tokenizer,tiktoken,vocab,merges,special_tokens,added_tokens,chat_template,"
          + "generation_config}*";

  /** Of the model, and of the flags of a command line that has been parsed. */
  static BatchManifest of(Checkpoint checkpoint, CommandSpec command) {
    Map<String, JsonNode> madeWith = new TreeMap<>();
    madeWith.put("-m", text(checkpoint.config().name() + " " + checkpoint.fingerprint()));
    besideWeights(checkpoint.path())
        .forEach(file -> madeWith.put(file.getFileName().toString(), text(sha(file))));
    Set<String> notOfAnswers = new HashSet<>(NOT_OF_ANSWERS);
    HOW_TO_RUN.forEach(mixin -> notOfAnswers.addAll(names(command.mixins().get(mixin))));
    Set<String> ofMixins = new HashSet<>();
    command.mixins().values().forEach(mixin -> ofMixins.addAll(names(mixin)));
    command.options().stream()
        .filter(option -> !notOfAnswers.contains(name(option)))
        // a hidden flag of the command itself is another program's, or for looking at failures
        .filter(option -> !option.hidden() || ofMixins.contains(name(option)))
        .forEach(option -> put(madeWith, option));
    if (!madeWith.containsKey("--chat-template")) {
      madeWith.put("chat template", text(template(checkpoint)));
    }
    Map<String, JsonNode> runWith = new TreeMap<>();
    OF_MODEL.forEach(name -> find(command, name).ifPresent(option -> put(madeWith, option)));
    SHOWING.forEach(name -> find(command, name).ifPresent(option -> put(runWith, option)));
    return new BatchManifest(YuzuiCommand.Version.number(), madeWith, runWith);
  }

  /** The names of a model's files have a part in it, which its fingerprint knows nothing of. */
  private static String template(Checkpoint checkpoint) {
    return switch (TemplateChoice.of(checkpoint)) {
      case TemplateChoice.Own _ -> "the model's own";
      case TemplateChoice.BuiltIn builtIn -> builtIn.name();
      case TemplateChoice.None _ -> "none";
    };
  }

  private static Optional<OptionSpec> find(CommandSpec command, String name) {
    return Optional.ofNullable(command.findOption(name));
  }

  private static List<String> names(CommandSpec mixin) {
    return mixin.options().stream().map(BatchManifest::name).toList();
  }

  /** The first of its long names, as the help has them. */
  private static String name(OptionSpec option) {
    return Arrays.stream(option.names())
        .filter(name -> name.startsWith("--"))
        .findFirst()
        .orElse(option.longestName());
  }

  /** Nothing where the flag is not given. */
  private static void put(Map<String, JsonNode> flags, OptionSpec option) {
    Object value =
        option.getValue() instanceof Optional<?> given ? given.orElse(null) : option.getValue();
    JsonNode json = json(value);
    if (json.isNull()
        || json.isContainerNode() && json.isEmpty()
        || json.equals(BooleanNode.FALSE) && !(option.getValue() instanceof Optional<?>)) {
      return;
    }
    if (value instanceof String name
        && option.paramLabel().contains("FILE")
        && Files.isRegularFile(Path.of(name))) {
      json = text(Path.of(name).getFileName() + " " + sha(Path.of(name)));
    }
    flags.put(name(option), json);
  }

  /** As it would be read again, for numbers and text to be compared. */
  private static JsonNode json(Object value) {
    try {
      return Json.mapper().readTree(Json.compact(value));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static JsonNode text(String text) {
    return JsonNodeFactory.instance.textNode(text);
  }

  private static List<Path> besideWeights(Path model) {
    List<Path> files = new ArrayList<>();
    if (Files.isDirectory(model)) {
      try (DirectoryStream<Path> found = Files.newDirectoryStream(model, BESIDE_WEIGHTS)) {
        found.forEach(file -> Optional.of(file).filter(Files::isRegularFile).ifPresent(files::add));
      } catch (IOException e) {
        throw new UsageException("-m " + model + " cannot be read: " + e);
      }
    }
    return files;
  }

  private static String sha(Path file) {
    try (InputStream in = Files.newInputStream(file);
        DigestInputStream digest =
            new DigestInputStream(in, MessageDigest.getInstance("SHA-256"))) {
      digest.transferTo(OutputStream.nullOutputStream());
      return "sha256:" + HexFormat.of().formatHex(digest.getMessageDigest().digest(), 0, 8);
    } catch (IOException e) {
      throw new UsageException(file + " cannot be read: " + e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  /** Where the manifest of an output that exists lies; links to the output have the same. */
  static Path beside(Path output) throws IOException {
    Path real = output.toRealPath();
    return real.resolveSibling(real.getFileName() + ".manifest.json");
  }

  /**
   * @return empty if the file is something else
   */
  static Optional<BatchManifest> read(Path file) throws IOException {
    if (!Files.isRegularFile(file) || Files.size(file) > MAX_BYTES) {
      return Optional.empty();
    }
    JsonNode json;
    try {
      json = Json.mapper().readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException _) {
      return Optional.empty();
    }
    return json.path("format").asText().equals(FORMAT) && json.path("version").asInt() == VERSION
        ? Optional.of(
            new BatchManifest(
                json.path("yuzui").asText(),
                fields(json.path("made_with")),
                fields(json.path("run_with"))))
        : Optional.empty();
  }

  private static Map<String, JsonNode> fields(JsonNode object) {
    Map<String, JsonNode> fields = new TreeMap<>();
    object.forEachEntry(fields::put);
    return fields;
  }

  void write(Path file) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("format", FORMAT).put("version", VERSION).put("yuzui", yuzui);
    json.putObject("made_with").setAll(madeWith);
    json.putObject("run_with").setAll(runWith);
    WholeFile.write(file, Json.pretty(json) + "\n");
  }

  /** What would make other answers now than those that are there: {@code --temp 1.5 (0.0 then)}. */
  List<String> differences(BatchManifest then) {
    return differences(madeWith, then.madeWith());
  }

  /** What may show in the answers, and may still change. */
  List<String> changes(BatchManifest then) {
    List<String> changes = differences(runWith, then.runWith());
    if (!yuzui.equals(then.yuzui())) {
      changes.addFirst("Yuzui " + yuzui + " (" + then.yuzui() + " then)");
    }
    return changes;
  }

  private static List<String> differences(Map<String, JsonNode> now, Map<String, JsonNode> then) {
    Set<String> names = new TreeSet<>(now.keySet());
    names.addAll(then.keySet());
    List<String> differences = new ArrayList<>();
    for (String name : names) {
      String is = shown(now, name);
      String was = shown(then, name);
      if (!is.equals(was)) {
        differences.add(name + " " + is + " (" + was + " then)");
      }
    }
    return differences;
  }

  private static String shown(Map<String, JsonNode> values, String name) {
    return Optional.ofNullable(values.get(name)).map(JsonNode::toString).orElse("not given");
  }
}
