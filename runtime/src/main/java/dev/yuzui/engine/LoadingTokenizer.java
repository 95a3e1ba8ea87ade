package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.util.Optional;

/**
 * The tokenizer and the chat template, built on a thread of their own beside the weights: a large
 * vocabulary takes longer than loading a small model. What is wrong with them is said when they are
 * asked for: what only measures needs none.
 */
final class LoadingTokenizer implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final Closing closing;
  private Optional<Tokenizer> tokenizer = Optional.empty();
  private Optional<ChatTemplate> template = Optional.empty();

  LoadingTokenizer(Checkpoint checkpoint, Closing closing) {
    this.checkpoint = checkpoint;
    this.closing = closing;
  }

  /** Lets it be built, while the caller does something else. */
  void begin() {
    Thread.ofPlatform().name("yuzui-tokenizer").daemon().start(this::build);
  }

  private void build() {
    try {
      template();
    } catch (RuntimeException _) {
      // whoever asks for it hears of it
    }
  }

  boolean isThere() {
    return !(checkpoint.vocabulary() instanceof VocabularySource.None);
  }

  synchronized Optional<Tokenizer> find() {
    if (tokenizer.isEmpty() && isThere()) {
      closing.requireOpen();
      tokenizer = Optional.of(Tokenizer.of(checkpoint.vocabulary()));
    }
    return tokenizer;
  }

  /** As {@link #templateChoice} has it; empty for a model that continues text. */
  synchronized Optional<ChatTemplate> template() {
    if (template.isEmpty()) {
      template = find().flatMap(t -> templateChoice().open(t));
    }
    return template;
  }

  TemplateChoice templateChoice() {
    return TemplateChoice.of(checkpoint);
  }

  /**
   * @throws EngineException if the checkpoint has no vocabulary
   */
  Tokenizer require() {
    closing.requireOpen();
    return find()
        .orElseThrow(
            () ->
                new EngineException(
                    checkpoint.path()
                        + ": no tokenizer: "
                        + (checkpoint.vocabulary() instanceof VocabularySource.None(String because)
                            ? because
                            : "the vocabulary is empty")
                        + "; give token ids instead of text, or put the model's tokenizer.json"
                        + " beside it"));
  }

  /** Whether a token ends a text. */
  boolean isEnd(int token) {
    return checkpoint.config().eosTokens().contains(token)
        || find().map(t -> t.isEndOfGeneration(token)).orElse(false);
  }

  @Override
  public synchronized void close() {
    tokenizer.ifPresent(Tokenizer::close);
  }
}
