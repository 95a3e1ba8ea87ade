package dev.yuzui.text;

import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Which chat template a checkpoint is used with, and why. A base model is not a chat model: unless
 * its files bring a template, one is taken only where they say that it was trained to chat.
 */
public sealed interface TemplateChoice {
  /** The template and the reason for it, a line for people. */
  String line();

  /** Empty if the model is to continue text. */
  Optional<ChatTemplate> open(Tokenizer tokenizer);

  /** The one that came with the model. */
  record Own(String model, String text) implements TemplateChoice {
    @Override
    public String line() {
      return "the model's own, which goes before any other";
    }

    @Override
    public Optional<ChatTemplate> open(Tokenizer tokenizer) {
      return Optional.of(ChatTemplate.jinja("chat template of " + model, text, tokenizer));
    }
  }

  /**
   * A published format, for a chat model whose files lost theirs.
   *
   * @param because what in its files says that it is one
   */
  record BuiltIn(String name, String because) implements TemplateChoice {
    @Override
    public String line() {
      return "built-in " + name + ", for " + because;
    }

    @Override
    public Optional<ChatTemplate> open(Tokenizer tokenizer) {
      return Optional.of(ChatTemplate.builtIn(name, tokenizer));
    }
  }

  /**
   * The model continues text.
   *
   * @param advice how to ask for a template all the same; empty where the files say that it is a
   *     base model, or none of the built-in ones is for its vocabulary
   */
  record None(String because, Optional<String> advice) implements TemplateChoice {
    @Override
    public String line() {
      return "none, for " + because + advice.map(text -> "; " + text).orElse("");
    }

    @Override
    public Optional<ChatTemplate> open(Tokenizer tokenizer) {
      return Optional.empty();
    }
  }

  /** Throws {@link TextException} if the vocabulary cannot be read. */
  static TemplateChoice of(Checkpoint checkpoint) {
    return switch (checkpoint.vocabulary()) {
      case VocabularySource.None(String reason) ->
          new None("the checkpoint has no vocabulary (" + reason + ")", Optional.empty());
      case VocabularySource.HuggingFace hf ->
          hf.chatTemplate()
              .<TemplateChoice>map(text -> new Own(checkpoint.config().name(), text))
              .orElseGet(() -> among(() -> Vocabulary.of(hf), checkpoint));
      case VocabularySource.Tiktoken tiktoken ->
          tiktoken
              .chatTemplate()
              .<TemplateChoice>map(text -> new Own(checkpoint.config().name(), text))
              .orElseGet(
                  () ->
                      among(
                          () -> Vocabulary.of(tiktoken, TiktokenJson.write(tiktoken)), checkpoint));
      case VocabularySource.Gguf gguf ->
          gguf.chatTemplate()
              .<TemplateChoice>map(text -> new Own(checkpoint.config().name(), text))
              .orElseGet(() -> among(() -> Vocabulary.of(gguf), checkpoint));
    };
  }

  private static TemplateChoice among(Supplier<Vocabulary> vocabulary, Checkpoint checkpoint) {
    return BuiltInTemplate.choose(
        ModelNames.of(checkpoint), () -> BuiltInTemplate.Traits.of(vocabulary.get()));
  }
}
