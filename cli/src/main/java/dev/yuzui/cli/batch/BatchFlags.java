package dev.yuzui.cli.batch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.yuzui.batch.BatchManifest;
import dev.yuzui.batch.BatchShard;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.io.Json;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What a batch's flags have to do with its answers, for its {@link BatchManifest}. */
final class BatchFlags {
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

  private BatchFlags() {}

  /** Of the model, and of the flags of a command line that has been parsed. */
  static BatchManifest manifest(Checkpoint checkpoint, CommandSpec command) {
    Map<String, JsonNode> madeWith = new TreeMap<>();
    madeWith.putAll(BatchManifest.ofModel(checkpoint));
    madeWith.put("-m", madeWith.remove("model"));
    Set<String> notOfAnswers = new HashSet<>(NOT_OF_ANSWERS);
    HOW_TO_RUN.forEach(mixin -> notOfAnswers.addAll(names(command.mixins().get(mixin))));
    Set<String> ofMixins = new HashSet<>();
    command.mixins().values().forEach(mixin -> ofMixins.addAll(names(mixin)));
    command.options().stream()
        .filter(option -> !notOfAnswers.contains(name(option)))
        // a hidden flag of the command itself is another program's, or for looking at failures
        .filter(option -> !option.hidden() || ofMixins.contains(name(option)))
        .forEach(option -> put(madeWith, option));
    // however it is written
    Optional.ofNullable(madeWith.remove("--shard"))
        .map(shard -> BatchShard.parse(shard.asText()))
        .filter(shard -> !shard.equals(BatchShard.ALL))
        .ifPresent(shard -> madeWith.put(BatchManifest.SHARD, text(shard.toString())));
    if (!madeWith.containsKey("--chat-template")) {
      madeWith.put("chat template", text(template(checkpoint)));
    }
    Map<String, JsonNode> runWith = new TreeMap<>();
    OF_MODEL.forEach(name -> find(command, name).ifPresent(option -> put(madeWith, option)));
    SHOWING.forEach(name -> find(command, name).ifPresent(option -> put(runWith, option)));
    return new BatchManifest(Version.number(), madeWith, runWith);
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
    return mixin.options().stream().map(BatchFlags::name).toList();
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
      json = text(Path.of(name).getFileName() + " " + BatchManifest.fingerprint(Path.of(name)));
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
}
