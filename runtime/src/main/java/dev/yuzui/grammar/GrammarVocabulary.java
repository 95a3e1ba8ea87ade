package dev.yuzui.grammar;

import dev.yuzui.text.Tokenizer;
import java.util.BitSet;

/**
 * The tokens that a text is made of.
 *
 * @param bytes of each token; empty for those that a text must not hold: control tokens, ids
 *     without a spelling
 * @param ends tokens that end a text; allowed where it may end
 */
public record GrammarVocabulary(byte[][] bytes, BitSet ends) {
  public GrammarVocabulary {
    bytes = bytes.clone();
    ends = (BitSet) ends.clone();
    for (int id = 0; id < bytes.length; id++) {
      if (bytes[id] == null) {
        throw new GrammarException("token " + id + ": expected its bytes, found null");
      }
    }
    if (ends.length() > bytes.length) {
      throw new GrammarException(
          "the token that ends a text: expected one of the "
              + bytes.length
              + " of the vocabulary, found "
              + (ends.length() - 1));
    }
  }

  /** Control tokens are not allowed, whether or not they are marked as special. */
  public static GrammarVocabulary of(Tokenizer tokenizer) {
    byte[][] bytes = new byte[tokenizer.size()][];
    BitSet ends = new BitSet();
    for (int id = 0; id < bytes.length; id++) {
      bytes[id] =
          tokenizer.isSpecial(id) || tokenizer.isControl(id) ? new byte[0] : tokenizer.bytes(id);
      if (tokenizer.isEndOfGeneration(id)) {
        ends.set(id);
        bytes[id] = new byte[0];
      }
    }
    return new GrammarVocabulary(bytes, ends);
  }

  public int size() {
    return bytes.length;
  }

  /** Words of 64 tokens each that a mask has. */
  public int words() {
    return (bytes.length + 63) / 64;
  }
}
