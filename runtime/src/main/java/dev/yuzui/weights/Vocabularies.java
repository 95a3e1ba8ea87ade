package dev.yuzui.weights;

import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/** Tokenizers that a checkpoint carries or lies beside. */
final class Vocabularies {
  private static final long MAX_TEMPLATE = 16 << 20;
  private static final String CONFIG = "tokenizer_config.json";
  static final String TIKTOKEN = "tiktoken.model";

  private Vocabularies() {}

  /** tokenizer.ggml.* of any architecture, or else tokenizer.json beside the file. */
  static VocabularySource gguf(Path file, Map<String, Object> metadata) {
    Keys keys = new Keys(file, "tokenizer.", metadata);
    if (!(metadata.get("tokenizer.ggml.tokens") instanceof GgufArray tokens)) {
      Path folder = file.toAbsolutePath().getParent();
      return Files.isRegularFile(folder.resolve("tokenizer.json"))
          ? huggingFace(folder)
          : new VocabularySource.None("the GGUF has no tokenizer.ggml.tokens");
    }
    requireType(keys, "ggml.tokens", tokens, GgufCursor.STRING);
    int last = (int) tokens.count() - 1;
    String pre = keys.text("ggml.pre").orElse("");
    return new VocabularySource.Gguf(
        keys.text("ggml.model").orElse(""),
        pre,
        tokens.strings(),
        types(keys, metadata, tokens.count()),
        merges(keys, metadata),
        keys.integerOr("ggml.bos_token_id", 0, last, -1),
        keys.integerOr("ggml.eos_token_id", 0, last, -1),
        keys.flagOr("ggml.add_bos_token", pre.equals("llama-bpe")), // as in llama.cpp
        keys.flagOr("ggml.add_eos_token", false),
        keys.text("chat_template"));
  }

  private static int[] types(Keys keys, Map<String, Object> metadata, long tokens) {
    if (!(metadata.get("tokenizer.ggml.token_type") instanceof GgufArray types)) {
      return new int[0];
    }
    requireType(keys, "ggml.token_type", types, GgufCursor.I32);
    if (types.count() != tokens) {
      throw keys.refused(
          "ggml.token_type",
          "one type for each of " + tokens + " tokens",
          types.count() + "",
          "convert the model again");
    }
    return types.ints();
  }

  private static List<String> merges(Keys keys, Map<String, Object> metadata) {
    if (!(metadata.get("tokenizer.ggml.merges") instanceof GgufArray merges)) {
      return List.of();
    }
    requireType(keys, "ggml.merges", merges, GgufCursor.STRING);
    return merges.strings();
  }

  private static void requireType(Keys keys, String key, GgufArray array, int type) {
    if (array.count() > ConfigLimits.VOCABULARY) {
      throw keys.refused(
          key,
          "at most " + ConfigLimits.VOCABULARY + " entries",
          array.count() + "",
          "check that the file is whole");
    }
    if (array.type() != type) {
      throw keys.refused(
          key,
          "an array of GGUF type " + type,
          "type " + array.type(),
          "convert the model again with a current converter");
    }
  }

  /**
   * tokenizer.json or tiktoken.model of a folder, with the chat template from wherever its
   * publisher put it.
   */
  static VocabularySource huggingFace(Path folder) {
    Path tokenizer = folder.resolve("tokenizer.json");
    Path ranks = folder.resolve(TIKTOKEN);
    if (!Files.isRegularFile(tokenizer) && !Files.isRegularFile(ranks)) {
      return new VocabularySource.None(folder + " has no tokenizer.json and no " + TIKTOKEN);
    }
    Optional<Path> config = Optional.of(folder.resolve(CONFIG)).filter(Files::isRegularFile);
    Path jinja = folder.resolve("chat_template.jinja");
    Optional<String> template =
        Files.isRegularFile(jinja)
            ? Optional.of(text(jinja))
            : config.flatMap(c -> template(Json.object(c).get("chat_template")));
    if (!Files.isRegularFile(tokenizer)) {
      return tiktoken(ranks, config, template);
    }
    if (config.isPresent()) {
      return new VocabularySource.HuggingFace(tokenizer, config, template);
    }
    return new VocabularySource.HuggingFace(
        tokenizer,
        config,
        template,
        modelsOwn(folder, "bos_token_id"),
        modelsOwn(folder, "eos_token_id"));
  }

  /** How text is split before the ranks come in is known for Moonshot's models alone. */
  private static VocabularySource tiktoken(
      Path ranks, Optional<Path> config, Optional<String> template) {
    if (config.isEmpty()) {
      return new VocabularySource.None(
          ranks + " has no " + CONFIG + " beside it to name BOS, EOS and the other special tokens");
    }
    Object type = Json.object(config.get()).get("tokenizer_class");
    if (!"TikTokenTokenizer".equals(type)) {
      return new VocabularySource.None(
          config.get()
              + ": tokenizer_class: expected TikTokenTokenizer, that of Moonlight and Kimi, found "
              + type);
    }
    return new VocabularySource.Tiktoken(ranks, config.get(), template);
  }

  /** The first id that the model's configuration has under {@code key}. */
  private static OptionalInt modelsOwn(Path folder, String key) {
    return Stream.of("config.json", "generation_config.json")
        .map(folder::resolve)
        .filter(Files::isRegularFile)
        .flatMap(
            file ->
                new Keys(file, "", Json.object(file))
                    .integers(key, 0, ConfigLimits.VOCABULARY).stream())
        .mapToInt(Integer::intValue)
        .findFirst();
  }

  private static String text(Path template) {
    try {
      return Utf8.file(Mapping.read(template, MAX_TEMPLATE));
    } catch (NotUtf8Exception e) {
      throw new WeightException(template, "file", "UTF-8 text", e.found(), e.fix());
    }
  }

  /** One template, or a list of named ones of which the default is taken. */
  private static Optional<String> template(Object value) {
    return switch (value) {
      case String s -> Optional.of(s);
      case List<?> named ->
          named.stream()
              .filter(t -> t instanceof Map<?, ?> m && "default".equals(m.get("name")))
              .map(t -> ((Map<?, ?>) t).get("template"))
              .filter(String.class::isInstance)
              .map(String.class::cast)
              .findFirst();
      case null, default -> Optional.empty();
    };
  }
}
