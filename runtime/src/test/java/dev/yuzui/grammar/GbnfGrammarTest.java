package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.Gbnf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GbnfGrammarTest {
  private static final String SUMS =
      """
      # sums of products
      root ::= term ([-+] term)*
      term ::= factor ("*" factor)*   # a comment
      factor ::= [0-9]{1,3} | "(" root ")" | unary
      unary ::= "-"
        factor
      """
          .replace("unary ::= \"-\"\n  factor", "unary ::= \"-\" factor");

  @Test
  void rulesMayHoldThemselves() {
    var sums = new Gbnf(SUMS);
    for (String text : new String[] {"1", "1+2*3", "((1)-23)*-4", "-(-(999))"}) {
      assertTrue(Vocabularies.matches(sums, text), text);
    }
    for (String text : new String[] {"", "1+", "(1", "1234", "1)"}) {
      assertEquals(false, Vocabularies.matches(sums, text), text);
    }
  }

  @Test
  void classesEscapesAndRepetitionsAreLlamaCpps() {
    var grammar =
        new Gbnf(
            "root ::= \"\\x41\\u00e9\\U0001F600\\n\\\"\\\\\" [^\\]a-c\\\\]{2} ( \"x\" |\n  \"y\" ){0,2}"
                + " [\\x30-\\x39]{2,} .?\n");
    assertTrue(Vocabularies.matches(grammar, "Aé😀\n\"\\d世xy00"));
    assertTrue(Vocabularies.matches(grammar, "Aé😀\n\"\\ddy123世"));
    assertEquals(false, Vocabularies.matches(grammar, "Aé😀\n\"\\]d00"));
    assertEquals(false, Vocabularies.matches(grammar, "Aé😀\n\"\\ddxyx00"));
    assertEquals(false, Vocabularies.matches(grammar, "Aé😀\n\"\\dd0"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "root ::= root \"a\" | \"a\"",
        "root ::= a\na ::= b \"x\"\nb ::= \"\" root | \"y\"",
        "root ::= ws* root \"a\" | \"b\"\nws ::= \" \"?"
      })
  void leftRecursionIsRefused(String text) {
    var e = assertThrows(GrammarException.class, () -> Vocabularies.grammar(new Gbnf(text)));
    assertTrue(e.getMessage().contains("left recursion"), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "start ::= \"a\"",
        "root ::= a",
        "root = \"a\"",
        "root ::= \"a",
        "root ::= [a",
        "root ::= (\"a\"",
        "root ::= \"a\"{3,2}",
        "root ::= \"a\"{9999}",
        "root ::= \"\\q\"",
        "root ::= \"a\"\nroot ::= \"b\"",
        "root ::= <think>",
        "root ::= \"a\" root"
      })
  void refusesWithTheLineOrRule(String text) {
    var e = assertThrows(GrammarException.class, () -> Vocabularies.grammar(new Gbnf(text)));
    assertTrue(
        e.getMessage().contains("GBNF") || e.getMessage().contains("grammar"), e.getMessage());
  }

  @Test
  void deepNestingIsReadAndTooDeepOnesRefused() {
    var nested = new Gbnf("root ::= \"(\" root? \")\"");
    Grammar grammar = Vocabularies.grammar(nested);
    GrammarState state = grammar.start();
    for (int i = 0; i < 5000; i++) {
      state.accept('(');
    }
    for (int i = 0; i < 5000; i++) {
      assertTrue(!state.mayEnd());
      state.accept(')');
    }
    assertTrue(state.complete());
    var tooDeep = new Gbnf("root ::= " + "(".repeat(600) + "\"a\"" + ")".repeat(600));
    assertThrows(GrammarException.class, () -> Vocabularies.grammar(tooDeep));
  }

  @Test
  void rightRecursionNeedsNoRoom() {
    Grammar grammar = Vocabularies.grammar(new Gbnf("root ::= \"a\" root | \"b\""));
    GrammarState state = grammar.start();
    state.accept('a');
    state.accept('a');
    Config before = state.config();
    state.accept('a');
    assertEquals(before, state.config());
  }

  @Test
  void limitsAreKept() {
    var limits = new GrammarLimits(100, 50, java.time.Duration.ofSeconds(1));
    var compiler = new GrammarCompiler(Vocabularies.of(), limits);
    assertThrows(
        GrammarException.class,
        () -> compiler.compile(new Gbnf("root ::= " + "\"a\" ".repeat(30))));
    assertThrows(
        GrammarException.class, () -> compiler.compile(new Gbnf("root ::= " + "a ".repeat(60))));
  }
}
