package dev.yuzui.text;

import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.util.Objects;
import java.util.Optional;

/** Whether two models mean the same by their token ids, as a draft model and its target must. */
public final class VocabularyMatch {
  private VocabularyMatch() {}

  /**
   * What tells them apart first; empty where a token of the one is the same token of the other. One
   * may have more: vocabularies of one tokenizer are filled up to widths that suit each model.
   *
   * @throws TextException if one of them cannot be used
   */
  public static Optional<String> difference(VocabularySource a, VocabularySource b) {
    Vocabulary left = vocabulary(a);
    Vocabulary right = vocabulary(b);
    for (int id = 0; id < Math.min(left.size(), right.size()); id++) {
      if (!Objects.equals(left.piece(id), right.piece(id))) {
        return Optional.of(
            "token %d is '%s' in the one and '%s' in the other"
                .formatted(id, left.piece(id), right.piece(id)));
      }
    }
    return Optional.empty();
  }

  private static Vocabulary vocabulary(VocabularySource source) {
    return switch (source) {
      case VocabularySource.HuggingFace hf -> Vocabulary.of(hf);
      case VocabularySource.Gguf gguf -> Vocabulary.of(gguf);
      case VocabularySource.Tiktoken tiktoken ->
          Vocabulary.of(tiktoken, TiktokenJson.write(tiktoken));
      case VocabularySource.None none ->
          throw new TextException("there is no vocabulary: " + none.because());
    };
  }
}
