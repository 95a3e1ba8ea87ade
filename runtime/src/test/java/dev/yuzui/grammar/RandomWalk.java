package dev.yuzui.grammar;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.Optional;
import java.util.Random;

/** Texts token by token, each drawn from the mask. */
final class RandomWalk {
  static final String[] COMMON = {
    "{\"", "\":", "\": ", "\", \"", "\"}", "\"]", "}]", "}}", "true", "null", "[1", ", ", "a", "b",
    "\n  ", "世", "12", "abc", "-0", "0.5", "\\n", "\\\""
  };

  /** Tokens behind which the text is led to its end. */
  private static final int ENOUGH = 60;

  private static final int MOST = 400;

  private RandomWalk() {}

  /** A text; empty where the way to its end was not found. */
  static Optional<String> text(Grammar grammar, Random random) {
    GrammarVocabulary vocabulary = grammar.vocabulary();
    GrammarState state = grammar.start();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    while (!state.ended()) {
      BitSet mask = state.mask();
      if (mask.isEmpty()) {
        throw new AssertionError("nothing may follow " + out.toString(StandardCharsets.UTF_8));
      }
      int token =
          state.length() < ENOUGH
              ? drawn(mask, random)
              : closing(mask, begun(out), vocabulary, random);
      state.accept(token);
      out.writeBytes(vocabulary.bytes()[token]);
      if (state.length() > MOST) {
        return Optional.empty();
      }
    }
    return Optional.of(out.toString(StandardCharsets.UTF_8));
  }

  private static int drawn(BitSet mask, Random random) {
    int[] allowed = mask.stream().toArray();
    return allowed[random.nextInt(allowed.length)];
  }

  private static boolean begun(ByteArrayOutputStream out) {
    String text = out.toString(StandardCharsets.UTF_8);
    return text.endsWith("{") || text.endsWith("[");
  }

  /** What ends a text, an object, an array or a string before anything else. */
  private static int closing(
      BitSet mask, boolean begun, GrammarVocabulary vocabulary, Random random) {
    int end = vocabulary.ends().nextSetBit(0);
    if (mask.get(end)) {
      return end;
    }
    for (char c : (begun ? "}]\"" : "\"}]").toCharArray()) {
      for (int token = mask.nextSetBit(0); token >= 0; token = mask.nextSetBit(token + 1)) {
        byte[] bytes = vocabulary.bytes()[token];
        if (bytes.length == 1 && bytes[0] == c) {
          return token;
        }
      }
    }
    return drawn(mask, random);
  }

  /** Whether each byte's token of {@code text} is in its mask, and the text may end there. */
  static boolean reads(Grammar grammar, String text) {
    GrammarState state = grammar.start();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      if (!state.mask().get(b & 255)) {
        return false;
      }
      state.accept(b & 255);
    }
    return state.mayEnd();
  }
}
