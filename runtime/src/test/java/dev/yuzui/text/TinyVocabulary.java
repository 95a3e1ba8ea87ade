package dev.yuzui.text;

import dev.yuzui.weights.Checkpoint.VocabularySource.Gguf;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;

/** Small GGUF vocabularies made in tests. */
final class TinyVocabulary {
  private TinyVocabulary() {}

  /**
   * The 256 bytes, {@code words} with the merges that make them letter by letter, control tokens of
   * which the first is BOS (by turns of type control and user-defined, as files have them), and
   * letters that were added.
   */
  static Gguf of(String pre, List<String> words, List<String> control, List<String> letters) {
    LinkedHashSet<String> tokens = new LinkedHashSet<>();
    for (int b = 0; b < 256; b++) {
      tokens.add(String.valueOf(ByteAlphabet.charOf(b)));
    }
    LinkedHashSet<String> merges = new LinkedHashSet<>();
    for (String word : words) {
      String spelled = spell(word);
      for (int n = 2; n <= spelled.length(); n++) {
        tokens.add(spelled.substring(0, n));
        merges.add(spelled.substring(0, n - 1) + " " + spelled.charAt(n - 1));
      }
    }
    int normal = tokens.size();
    List<String> all = new ArrayList<>(tokens);
    all.addAll(control);
    all.addAll(letters);
    int[] types = new int[all.size()];
    for (int id = 0; id < types.length; id++) {
      int added = id - normal;
      boolean isControl = added >= 0 && added < control.size() && added % 2 == 0;
      types[id] =
          added < 0 ? 1 : isControl ? GgufTokenizerJson.CONTROL : GgufTokenizerJson.USER_DEFINED;
    }
    return new Gguf(
        "gpt2", pre, all, types, List.copyOf(merges), normal, -1, true, false, Optional.empty());
  }

  private static String spell(String text) {
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      out.append(ByteAlphabet.charOf(b & 0xFF));
    }
    return out.toString();
  }
}
