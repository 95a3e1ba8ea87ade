package dev.yuzui.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Small vocabularies: every byte, some longer tokens, one that ends a text and one that is never.
 */
final class Vocabularies {
  static final int END = 256;
  static final int CONTROL = 257;
  static final int FIRST_LONG = 258;

  private Vocabularies() {}

  /** Tokens from {@link #FIRST_LONG} on are {@code longer}. */
  static GrammarVocabulary of(String... longer) {
    List<byte[]> bytes = new ArrayList<>();
    for (int b = 0; b < 256; b++) {
      bytes.add(new byte[] {(byte) b});
    }
    bytes.add(new byte[0]);
    bytes.add(new byte[0]);
    for (String text : longer) {
      bytes.add(text.getBytes(StandardCharsets.UTF_8));
    }
    BitSet ends = new BitSet();
    ends.set(END);
    return new GrammarVocabulary(bytes.toArray(byte[][]::new), ends);
  }

  static Grammar grammar(GrammarSource source, String... longer) {
    return new GrammarCompiler(of(longer)).compile(source);
  }

  static boolean matches(GrammarSource source, String text) {
    return grammar(source).matches(text.getBytes(StandardCharsets.UTF_8));
  }
}
