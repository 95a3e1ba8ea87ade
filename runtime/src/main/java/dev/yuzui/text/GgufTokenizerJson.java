package dev.yuzui.text;

import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a GGUF's vocabulary as the tokenizer.json it was converted from. A GGUF names its
 * pre-tokenizer instead of carrying it.
 */
final class GgufTokenizerJson {
  static final int CONTROL = 3;
  static final int USER_DEFINED = 4;

  private GgufTokenizerJson() {}

  /**
   * @param controlTokens whether control tokens are recognised in text
   */
  static byte[] write(VocabularySource.Gguf gguf, boolean controlTokens) {
    if (!gguf.model().equals("gpt2")) {
      throw new TextException(
          "tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE, which every DeepSeek model has),"
              + " found \""
              + gguf.model()
              + "\"; convert the model again from its tokenizer.json");
    }
    TokenizerJson.PreTokenizer pre = preTokenizer(gguf.preTokenizer());
    checkSizes(gguf);
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < gguf.tokens().size(); id++) {
      ids.putIfAbsent(gguf.tokens().get(id), id);
    }
    return new TokenizerJson(pre, addedTokens(gguf, controlTokens), ids, merges(gguf, ids)).write();
  }

  private static TokenizerJson.PreTokenizer preTokenizer(String name) {
    return TokenizerJson.PreTokenizer.named(name.isEmpty() ? "default" : name)
        .orElseThrow(
            () ->
                new TextException(
                    "tokenizer.ggml.pre: expected one of "
                        + String.join(", ", TokenizerJson.PreTokenizer.names())
                        + ", found \""
                        + name
                        + "\"; if it splits text as one of these does, say so with --override-kv"
                        + " tokenizer.ggml.pre=str:NAME"));
  }

  private static void checkSizes(VocabularySource.Gguf gguf) {
    int n = gguf.tokens().size();
    if (n == 0) {
      throw new TextException(
          "tokenizer.ggml.tokens: expected the vocabulary, found an empty list; token ids still"
              + " work");
    }
    if (gguf.types().length != 0 && gguf.types().length != n) {
      throw new TextException(
          "tokenizer.ggml.token_type: expected "
              + n
              + " entries as in tokenizer.ggml.tokens, found "
              + gguf.types().length
              + "; convert the model again");
    }
    if (gguf.bos() >= n || gguf.eos() >= n) {
      throw new TextException(
          "tokenizer.ggml.bos_token_id and eos_token_id: expected ids below "
              + n
              + ", found "
              + gguf.bos()
              + " and "
              + gguf.eos()
              + "; convert the model again");
    }
  }

  private static List<TokenizerJson.Added> addedTokens(
      VocabularySource.Gguf gguf, boolean control) {
    List<TokenizerJson.Added> added = new ArrayList<>();
    for (int id = 0; id < gguf.types().length; id++) {
      int type = gguf.types()[id];
      String token = gguf.tokens().get(id);
      boolean means = type == CONTROL || Vocabulary.looksControl(token);
      boolean matched = (type == CONTROL || type == USER_DEFINED) && (control || !means);
      if (matched && !token.isEmpty()) {
        added.add(new TokenizerJson.Added(id, token, type == CONTROL));
      }
    }
    return added;
  }

  private static List<TokenizerJson.Merge> merges(
      VocabularySource.Gguf gguf, Map<String, Integer> ids) {
    List<TokenizerJson.Merge> merges = new ArrayList<>(gguf.merges().size());
    for (String merge : gguf.merges()) {
      int space = merge.indexOf(' ', 1);
      if (space < 0) {
        throw new TextException(
            "tokenizer.ggml.merges: expected two tokens and a space between them, found \""
                + merge
                + "\"; convert the model again");
      }
      String left = merge.substring(0, space);
      String right = merge.substring(space + 1);
      // else it can never apply: one of the three is no token
      if (ids.containsKey(left) && ids.containsKey(right) && ids.containsKey(left + right)) {
        merges.add(new TokenizerJson.Merge(left, right));
      }
    }
    return merges;
  }
}
