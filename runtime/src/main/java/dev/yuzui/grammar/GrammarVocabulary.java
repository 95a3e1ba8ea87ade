package dev.yuzui.grammar;

import dev.yuzui.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import java.util.function.IntPredicate;

/**
 * The tokens that a text is made of. Control tokens stand between two bytes that no text has, so
 * that they are never letters: only a grammar that means them allows them.
 *
 * @param bytes of each token; empty for those that a text must not hold: those that end it, ids
 *     without a spelling
 * @param ends tokens that end a text; allowed where it may end
 * @param control how the control tokens among them are spelled
 */
public record GrammarVocabulary(byte[][] bytes, BitSet ends, Set<String> control) {
  private static final byte OPEN = (byte) 0xFF;
  private static final byte CLOSE = (byte) 0xFE;

  public GrammarVocabulary {
    bytes = bytes.clone();
    ends = (BitSet) ends.clone();
    control = Set.copyOf(control);
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

  /** Without control tokens. */
  public GrammarVocabulary(byte[][] bytes, BitSet ends) {
    this(bytes, ends, Set.of());
  }

  /** Those that end a text are the tokenizer's. */
  public static GrammarVocabulary of(Tokenizer tokenizer) {
    return of(tokenizer, tokenizer::isEndOfGeneration);
  }

  /** Control tokens are no letters, whether or not they are marked as special. */
  public static GrammarVocabulary of(Tokenizer tokenizer, IntPredicate isEnd) {
    byte[][] spelled = new byte[tokenizer.size()][];
    BitSet ends = new BitSet();
    BitSet control = new BitSet();
    for (int id = 0; id < spelled.length; id++) {
      spelled[id] = tokenizer.bytes(id);
      ends.set(id, isEnd.test(id));
      control.set(id, tokenizer.isSpecial(id) || tokenizer.isControl(id));
    }
    return of(spelled, ends, control);
  }

  /**
   * @param spelled what each token contributes to a text
   * @param control tokens that are no letters; those that end a text need not be among them
   */
  static GrammarVocabulary of(byte[][] spelled, BitSet ends, BitSet control) {
    byte[][] bytes = new byte[spelled.length][];
    Set<String> pieces = new HashSet<>();
    for (int id = 0; id < bytes.length; id++) {
      if (ends.get(id) || spelled[id].length == 0) {
        bytes[id] = new byte[0];
      } else if (control.get(id)) {
        pieces.add(new String(spelled[id], StandardCharsets.UTF_8));
        bytes[id] = controlled(spelled[id]);
      } else {
        bytes[id] = isText(spelled[id]) ? spelled[id] : new byte[0];
      }
    }
    return new GrammarVocabulary(bytes, ends, pieces);
  }

  /** Byte-level vocabularies have the two bytes, which are in no UTF-8. */
  private static boolean isText(byte[] spelled) {
    for (byte b : spelled) {
      if (b == OPEN || b == CLOSE) {
        return false;
      }
    }
    return true;
  }

  private static byte[] controlled(byte[] spelling) {
    byte[] all = new byte[spelling.length + 2];
    System.arraycopy(spelling, 0, all, 1, spelling.length);
    all[0] = OPEN;
    all[all.length - 1] = CLOSE;
    return all;
  }

  /** The bytes of a text in which control tokens are meant, the longest at each place. */
  public byte[] template(String text) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int from = 0;
    for (int at = 0; at < text.length(); ) {
      int place = at;
      int length =
          control.stream()
              .filter(piece -> text.startsWith(piece, place))
              .mapToInt(String::length)
              .max()
              .orElse(0);
      if (length == 0) {
        at++;
        continue;
      }
      out.writeBytes(text.substring(from, at).getBytes(StandardCharsets.UTF_8));
      out.writeBytes(controlled(text.substring(at, at + length).getBytes(StandardCharsets.UTF_8)));
      at += length;
      from = at;
    }
    out.writeBytes(text.substring(from).getBytes(StandardCharsets.UTF_8));
    return out.toByteArray();
  }

  public int size() {
    return bytes.length;
  }

  /** Words of 64 tokens each that a mask has. */
  public int words() {
    return (bytes.length + 63) / 64;
  }
}
