package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.util.Optional;

/** Built on first use: a large vocabulary takes longer than loading a small model. */
final class LazyTokenizer implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final Closing closing;
  private Optional<Tokenizer> tokenizer = Optional.empty();

  LazyTokenizer(Checkpoint checkpoint, Closing closing) {
    this.checkpoint = checkpoint;
    this.closing = closing;
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
