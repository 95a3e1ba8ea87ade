package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Pattern;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GrammarStateTest {
  /** Tokens that cross terminals, begin and end within characters, and are longer than 16 bytes. */
  private static final String[] LONGER = {
    "{\"",
    "\": ",
    "\":",
    "\", \"",
    "\"}",
    "\"]",
    "}]",
    "}}",
    "true",
    "tru",
    "e,",
    "[1",
    "1, 2",
    "name",
    "name\": \"",
    "abc",
    "世界",
    "  ",
    "\n    ",
    "{\"name\": \"abc\"}",
    "a very long token of text",
    "\\u00",
    "\\n",
    "-1",
    ".5",
    "e+",
    "null}",
    "café",
    "00",
    "123456789012345678"
  };

  private static GrammarVocabulary vocabulary() {
    GrammarVocabulary plain = Vocabularies.of(LONGER);
    byte[][] bytes = Arrays.copyOf(plain.bytes(), plain.size() + 3);
    byte[] world = "世".getBytes(StandardCharsets.UTF_8);
    bytes[plain.size()] = Arrays.copyOf(world, 2);
    bytes[plain.size() + 1] = new byte[] {world[2], '"'};
    bytes[plain.size() + 2] = new byte[] {'a', world[0]};
    return new GrammarVocabulary(bytes, plain.ends());
  }

  private static final List<GrammarSource> SOURCES =
      List.of(
          new JsonSchema(
              "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
                  + "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":5}},"
                  + "\"n\":{\"type\":\"number\"},\"ok\":{\"type\":\"boolean\"}},\"required\":[\"name\"]}"),
          new JsonSchema("{}"),
          new JsonSchema("{\"type\":\"string\",\"pattern\":\"^[a-zé世]{2,20}$\"}"),
          new JsonSchema("{\"type\":\"string\",\"pattern\":\"ab\",\"maxLength\":9}"),
          new JsonSchema("{\"enum\":[\"name\",\"null\",null,12,{\"name\":[1,2]}]}"),
          new JsonSchema("{\"type\":\"integer\",\"minimum\":-15,\"maximum\":1234}"),
          new Gbnf("root ::= \"a\" root \"b\" | \"世界\"? | [0-9]{0,40} \".\""),
          new Pattern("(a|ab)(c|bcd)*d?"),
          new Choices(List.of("name", "name\": \"", "null}", "nul")));

  /** The mask is what every token, tried byte by byte, says. */
  @Test
  void masksAreExact() {
    GrammarVocabulary vocabulary = vocabulary();
    GrammarCompiler compiler = new GrammarCompiler(vocabulary);
    Random random = new Random(1);
    for (GrammarSource source : SOURCES) {
      Grammar grammar = compiler.compile(source);
      for (int walk = 0; walk < 30; walk++) {
        GrammarState state = grammar.start();
        for (int step = 0; step < 40 && !state.ended(); step++) {
          BitSet mask = state.mask();
          BitSet tried = new BitSet();
          IntStream.range(0, vocabulary.size()).filter(state::accepts).forEach(tried::set);
          assertEquals(tried, mask, source + " behind " + step);
          assertFalse(mask.isEmpty(), () -> source + " leads nowhere");
          assertFalse(mask.get(Vocabularies.CONTROL));
          assertEquals(state.mayEnd(), mask.get(Vocabularies.END));
          int[] allowed = mask.stream().toArray();
          state.accept(allowed[random.nextInt(allowed.length)]);
        }
      }
    }
  }

  @Test
  void whatWasAcceptedCanBeTakenBack() {
    Grammar grammar = new GrammarCompiler(vocabulary()).compile(SOURCES.getFirst());
    GrammarState state = grammar.start();
    BitSet first = state.mask();
    for (char c : "{\"name\": \"x\"".toCharArray()) {
      state.accept(c);
    }
    GrammarState copy = state.copy();
    BitSet there = state.mask();
    state.accept('}');
    state.accept(Vocabularies.END);
    assertTrue(state.ended());
    assertFalse(state.accepts('x'));
    assertTrue(state.mask().isEmpty());
    state.rollback(2);
    assertEquals(there, state.mask());
    state.rollback(state.length());
    assertEquals(first, state.mask());
    assertEquals(there, copy.mask(), "a copy stays where it was");
    assertThrows(GrammarException.class, () -> state.rollback(1));
    assertThrows(GrammarException.class, () -> state.accept('}'));
    assertThrows(GrammarException.class, () -> state.accepts(99_999));
    assertThrows(GrammarException.class, () -> state.mask(new long[1]));
  }

  @Test
  void whatMustComeIsForced() {
    var compiler = new GrammarCompiler(Vocabularies.of("{\"", "name", "\":", "\": ", "\"a"));
    var schema =
        new JsonSchema(
            "{\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"],"
                + "\"type\":\"object\",\"additionalProperties\":false}",
            JsonLayout.COMPACT);
    GrammarState state = compiler.compile(schema).start();
    assertEquals("{\"name\":", new String(state.forced(), StandardCharsets.UTF_8));
    int brace = Vocabularies.FIRST_LONG;
    // '":' is left out: '": ' may be what the model would write
    assertArrayEquals(new int[] {brace, brace + 1}, state.forcedTokens());
    for (char c : "{\"name\":\"x".toCharArray()) {
      state.accept(c);
    }
    assertEquals(0, state.forced().length);
    state.accept('"');
    assertEquals("}", new String(state.forced(), StandardCharsets.UTF_8));
    state.accept('}');
    assertTrue(state.complete());
    assertEquals(0, state.forced().length);
  }

  @Test
  void aVocabularyThatCannotGoOnIsNoticed() {
    byte[][] bytes = {"a".getBytes(StandardCharsets.UTF_8), new byte[0]};
    BitSet ends = new BitSet();
    ends.set(1);
    var compiler = new GrammarCompiler(new GrammarVocabulary(bytes, ends));
    GrammarState state = compiler.compile(new Pattern("ab")).start();
    assertFalse(state.stuck());
    state.accept(0);
    assertTrue(state.stuck());
  }

  @Test
  void compiledGrammarsAreKept() {
    var compiler = new GrammarCompiler(Vocabularies.of());
    Grammar first = compiler.compile(new Pattern("a"));
    assertSame(first, compiler.compile(new Pattern("a")));
    IntStream.range(0, 100).forEach(i -> compiler.compile(new Pattern("b" + i)));
    assertFalse(first == compiler.compile(new Pattern("a")), "those used longest ago are not");
  }

  @Test
  void severalThreadsShareAGrammar() {
    Grammar grammar = new GrammarCompiler(vocabulary()).compile(new JsonSchema("{}"));
    List<BitSet> masks =
        IntStream.range(0, 64)
            .parallel()
            .mapToObj(
                i -> {
                  GrammarState state = grammar.start();
                  for (char c : "{\"a\": [1, {\"b\": \"世".toCharArray()) {
                    for (byte b : String.valueOf(c).getBytes(StandardCharsets.UTF_8)) {
                      state.mask();
                      state.accept(b & 255);
                    }
                  }
                  return state.mask();
                })
            .distinct()
            .toList();
    assertEquals(1, masks.size());
  }
}
