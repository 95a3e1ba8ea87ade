package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Pattern;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegexGrammarTest {
  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      delimiter = ';',
      value = {
        "a|bc; bc; true",
        "a|bc; b; false",
        "a{2,3}; aa; true",
        "a{2,3}; aaaa; false",
        "a{2,}; aaaaa; true",
        "[a-c]+?; abc; true",
        "[^a-c]; d; true",
        "[^a-c]; é; true",
        "[^a-c]; b; false",
        "\\d\\w\\s; 1_ ; false",
        "\\d\\w; 1_; true",
        "\\u00e9|\\x41; é; true",
        "\\u{1F600}; 😀; true",
        "\\ud83d\\ude00; 😀; true",
        ".; 世; true",
        "..; 世; false",
        "(?i)yes; YeS; true",
        "(?:ab)*; abab; true",
        "(?<n>x)y; xy; true",
        "^a$; a; true",
        "(?!ab)[a-z]{2}; ab; false",
        "(?!ab)[a-z]{2}; ac; true",
        "(?=a)[a-z]+; ba; false",
        "\\p{Lu}\\P{Lu}; Éa; true",
        "[\\w.-]+; a.b-c; true",
        "a{,2}; a{,2}; true",
        "[]; a; false",
      })
  void readsWhatEcmaScriptReads(String regex, String text, boolean matches) {
    if (regex.equals("[]")) {
      assertThrows(GrammarException.class, () -> Vocabularies.matches(new Pattern(regex), text));
    } else {
      assertEquals(matches, Vocabularies.matches(new Pattern(regex), text), regex + " on " + text);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"(", "a)", "[a", "*", "a{3,2}", "\\1(a)", "\\bx", "(?<=a)b", "(^a)*", "\\q"})
  void refusesWithTheExpressionNamed(String regex) {
    var e =
        assertThrows(GrammarException.class, () -> Vocabularies.matches(new Pattern(regex), ""));
    assertTrue(e.getMessage().contains("'" + regex + "'"), e.getMessage());
  }

  @Test
  void anEmptyLanguageIsRefused() {
    assertThrows(GrammarException.class, () -> Vocabularies.grammar(new Pattern("(?=b)a")));
    assertThrows(GrammarException.class, () -> Vocabularies.grammar(new Choices(List.of())));
  }

  @Property(tries = 200)
  void agreesWithJavasExpressions(@ForAll Random random) {
    String regex = expression(random, 3);
    Grammar grammar;
    try {
      grammar = Vocabularies.grammar(new Pattern(regex));
    } catch (GrammarException e) {
      return; // matches nothing
    }
    var expected = java.util.regex.Pattern.compile(regex);
    for (int i = 0; i < 30; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(6); n > 0; n--) {
        text.append("abc".charAt(random.nextInt(3)));
      }
      assertEquals(
          expected.matcher(text).matches(),
          grammar.matches(text.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8)),
          regex + " on " + text);
    }
  }

  private static String expression(Random random, int depth) {
    if (depth == 0) {
      return new String[] {"a", "b", "[ab]", ".", "[^a]"}[random.nextInt(5)];
    }
    String a = expression(random, depth - 1);
    String b = expression(random, depth - 1);
    return switch (random.nextInt(7)) {
      case 0 -> "(?:" + a + "|" + b + ")";
      case 1 -> "(?:" + a + ")*";
      case 2 -> "(?:" + a + "){1,2}";
      case 3 -> "(?!" + a + ")" + b;
      case 4 -> "(?:" + a + ")?" + b;
      default -> a + b;
    };
  }

  @Test
  void choicesAreTheTextsAlone() {
    var choices = new Choices(List.of("yes", "yesterday", "no", "no"));
    assertTrue(Vocabularies.matches(choices, "yes"));
    assertTrue(Vocabularies.matches(choices, "yesterday"));
    assertFalse(Vocabularies.matches(choices, "yeste"));
    var many =
        new Choices(
            java.util.stream.IntStream.range(0, 20_000).mapToObj(i -> "item " + i).toList());
    assertTrue(Vocabularies.matches(many, "item 19999"));
    assertFalse(Vocabularies.matches(many, "item 20000"));
  }

  @Test
  void whatCannotEndIsNeverBegun() {
    // after "ab" nothing could follow
    GrammarState state = Vocabularies.grammar(new Pattern("(?!abc$)a[bc](c|d)")).start();
    state.accept('a');
    state.accept('b');
    assertFalse(state.accepts('c'));
    assertTrue(state.accepts('d'));
  }
}
