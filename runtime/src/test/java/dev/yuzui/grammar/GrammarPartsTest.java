package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Named;
import dev.yuzui.grammar.GrammarSource.OneOf;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarSource.Repeated;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import dev.yuzui.grammar.GrammarSource.Text;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Grammars that a program puts together of parts. */
class GrammarPartsTest {
  private static final int CALL = 256;
  private static final int CALLS = 257;
  private static final int END = 258;

  /** The bytes, two control tokens, one of which begins as the other does, and an end. */
  private static GrammarVocabulary vocabulary() {
    byte[][] bytes = new byte[259][];
    for (int b = 0; b < 256; b++) {
      bytes[b] = new byte[] {(byte) b};
    }
    bytes[CALL] = "<call>".getBytes(StandardCharsets.UTF_8);
    bytes[CALLS] = "<call>s>".getBytes(StandardCharsets.UTF_8);
    bytes[END] = "<end>".getBytes(StandardCharsets.UTF_8);
    return GrammarVocabulary.of(
        bytes,
        BitSet.valueOf(new long[] {0, 0, 0, 0, 4}),
        BitSet.valueOf(new long[] {0, 0, 0, 0, 7}));
  }

  private static GrammarState start(GrammarSource source) {
    return new GrammarCompiler(vocabulary()).compile(source).start();
  }

  private static void accept(GrammarState state, String letters) {
    for (byte b : letters.getBytes(StandardCharsets.UTF_8)) {
      state.accept(b & 255);
    }
  }

  @Test
  void aTemplateMeansControlTokensAndNotTheirLetters() {
    GrammarState state = start(new Template("a<call>b"));
    accept(state, "a");
    BitSet only = new BitSet();
    only.set(CALL);
    assertEquals(only, state.mask());
    assertFalse(state.accepts('<'));
    assertArrayEquals(new int[] {CALL, 'b'}, state.forcedTokens());
    state.accept(CALL);
    state.accept('b');
    assertTrue(state.complete());
  }

  @Test
  void theLongestControlTokenIsMeant() {
    assertTrue(start(new Template("<call>s>")).accepts(CALLS));
    assertFalse(start(new Template("<call>s>")).accepts(CALL));
  }

  @Test
  void anyTextHasLettersAloneWhateverTheySpell() {
    GrammarState state = start(Text.any("</x>"));
    assertFalse(state.accepts(CALL));
    accept(state, "<call>é</x");
    assertFalse(state.accepts('>'));
    assertFalse(state.accepts(0xFF));
    assertTrue(state.mayEnd());
    for (GrammarSource source : List.of(new Pattern("[^a]*"), new JsonSchema("{}"))) {
      BitSet mask = start(source).mask();
      assertFalse(mask.get(CALL) || mask.get(CALLS) || mask.get(0xFF), source.toString());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'<call>{\"a\": 1}', true",
    "'<call>{\"a\": 1}<call>{\"a\": 2}', true",
    "'<call>{\"a\": 1}x', false",
    "'', false",
    "none, true"
  })
  void partsFollowEachOtherRepeatAndExclude(String text, boolean allowed) {
    GrammarSource call =
        new Sequence(
            List.of(
                new Template("<call>"),
                new JsonSchema("{\"properties\": {\"a\": {\"type\": \"integer\"}}}")));
    GrammarSource source =
        new OneOf(
            List.of(new Repeated(call, 1, Repeated.ANY_NUMBER), new Choices(List.of("none"))));
    byte[] bytes = vocabulary().template(text);
    assertEquals(allowed, new GrammarCompiler(vocabulary()).compile(source).matches(bytes));
  }

  @Test
  void whatIsWrongWithANamedPartIsSaidOfItsName() {
    GrammarSource source =
        new Sequence(
            List.of(
                new Named("tools[0]", new JsonSchema("{}")),
                new Named("tools[1]", new JsonSchema("{\"type\": \"strong\"}"))));
    String message = assertThrows(GrammarException.class, () -> start(source)).getMessage();
    assertTrue(message.startsWith("tools[1]: schema, '/type'"), message);
    GrammarSource none = new Named("tools[2]", new JsonSchema("false"));
    String empty = assertThrows(GrammarException.class, () -> start(none)).getMessage();
    assertTrue(empty.startsWith("tools[2]: "), empty);
  }
}
