package dev.yuzui.engine.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.Constraint.AtOnce;
import dev.yuzui.engine.api.Constraint.Behind;
import dev.yuzui.engine.api.Constraint.Either;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationPromise;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.grammar.Grammar;
import dev.yuzui.grammar.GrammarCompiler;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarVocabulary;
import dev.yuzui.sampling.SamplingParams;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConstrainedTest {
  private static final int END = 0;
  private static final int THINK = 1;
  private static final int ABC_C = 2;

  /** ASCII from ' ' on as far as the fake model's ids go, an end, a control token, a long token. */
  private static GrammarVocabulary vocabulary(String without) {
    byte[][] bytes = new byte[FakeModel.VOCABULARY - 1][];
    for (int id = 3; id < bytes.length; id++) {
      String letter = String.valueOf((char) (' ' + id - 3));
      bytes[id] = (without.contains(letter) ? "" : letter).getBytes(StandardCharsets.UTF_8);
    }
    bytes[END] = new byte[0];
    bytes[THINK] = new byte[] {(byte) 0xFF, '<', 't', '>', (byte) 0xFE};
    bytes[ABC_C] = "|>c".getBytes(StandardCharsets.UTF_8);
    BitSet ends = new BitSet();
    ends.set(END);
    return new GrammarVocabulary(bytes, ends, Set.of("<t>"));
  }

  private static int id(char letter) {
    return letter - ' ' + 3;
  }

  private static int[] ids(String text) {
    return text.chars().map(c -> id((char) c)).toArray();
  }

  private static Grammar grammar(GrammarSource source) {
    return new GrammarCompiler(vocabulary("")).compile(source);
  }

  private static void accept(Constrained held, String text) {
    for (int token : ids(text)) {
      assertTrue(held.accepts(token), text);
      held.accept(token);
    }
  }

  @Test
  void theMarkIsFoundAcrossTokensAndWithinThem() {
    Grammar grammar = grammar(new Choices(List.of("cat", "dog")));
    Constrained held = new Constrained(grammar, new Behind("<|>", false));
    assertFalse(held.accepts(END));
    accept(held, "dog <<|x<|");
    assertTrue(held.accepts(id('x')));
    accept(held, ">d");
    assertFalse(held.accepts(id('a')));

    Constrained within = new Constrained(grammar, new Behind("<|>", false));
    accept(within, "x<");
    assertTrue(within.accepts(ABC_C)); // "|>c" ends the mark and begins the cat
    within.accept(ABC_C);
    accept(within, "at");
    assertTrue(within.complete());

    Constrained refused =
        new Constrained(grammar(new Choices(List.of("dog"))), new Behind("<|>", false));
    accept(refused, "<");
    assertFalse(refused.accepts(ABC_C));
    assertEquals(0, refused.mask()[0] >>> ABC_C & 1);
  }

  @Test
  void anAnswerMayThinkFirstWhereTheVocabularyHasTheToken() {
    Grammar grammar = grammar(new Choices(List.of("cat")));
    Constrained held = new Constrained(grammar, new Either("<t>", "."));
    BitSet both = new BitSet();
    both.set(THINK);
    both.set(id('c'));
    assertEquals(both, BitSet.valueOf(held.mask()));
    held.accept(THINK);
    accept(held, "dog.cat");
    assertTrue(held.complete());

    Constrained silent = new Constrained(grammar, new Either("<t>", "."));
    accept(silent, "cat");
    assertTrue(silent.complete());
    Constrained unknown = new Constrained(grammar, new Either("<u>", "."));
    assertEquals(1, BitSet.valueOf(unknown.mask()).cardinality());
  }

  @Test
  void guessesEndBeforeTheFirstThatIsRefused() {
    Constrained held = new Constrained(grammar(new Choices(List.of("cats"))), new AtOnce());
    assertArrayEquals(ids("cat"), held.accepted(ids("catx")));
    assertArrayEquals(ids("cats"), held.accepted(ids("cats!")));
    accept(held, "cat"); // guesses left nothing behind
    assertArrayEquals(ids("s"), held.forced(9));
  }

  private static GenerationResult answer(FakeModel model, GrammarSource source, String without) {
    GenerateRequest request =
        GenerateRequest.of(7, 8, 9)
            .withSampling(SamplingParams.GREEDY)
            .withMaxTokens(30)
            .withGrammar(source);
    return generate(model, request, without).await();
  }

  private static Generation generate(FakeModel model, GenerateRequest request, String without) {
    Request made =
        new Request(
            request.hashCode(),
            request,
            new GenerationPromise(model.loop::cancel),
            (id, text) -> {},
            FakeModel.CONTEXT,
            token -> token == END,
            Optional.empty());
    GrammarSource source = request.constraint().orElseThrow().source();
    made.constrain(new GrammarCompiler(vocabulary(without)).compile(source));
    model.loop.submit(made, List.of());
    return made.generation();
  }

  private static String text(GenerationResult result) {
    StringBuilder out = new StringBuilder();
    result.tokens().forEach(token -> out.append((char) (' ' + token - 3)));
    return out.toString();
  }

  @Test
  void forcedTextIsGuessedAndEndsWithoutAnotherStep() {
    try (FakeModel model = new FakeModel(2, 40, 32)) {
      GenerationResult result = answer(model, new Choices(List.of("once upon", "only then")), "");
      assertTrue(Set.of("once upon", "only then").contains(text(result)), text(result));
      assertEquals(FinishReason.STOP, result.finish());
      assertTrue(result.speculative().acceptedTokens() >= 2, result.toString());
      assertTrue(model.passes.size() < 1 + result.tokens().size(), model.passes.toString());
    }
  }

  /** "Never two of a kind" leaves choices at each place. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void guessesChangeNothing(int seed) {
    List<List<Integer>> answers = new ArrayList<>();
    for (boolean drafts : new boolean[] {false, true}) {
      try (FakeModel model = new FakeModel(2, 40, 32)) {
        GenerateRequest request =
            GenerateRequest.of(7, 8, seed)
                .withSampling(SamplingParams.DEFAULT.withTopK(0).withTemperature(30).withSeed(seed))
                .withMaxTokens(30)
                .withDrafts(drafts)
                .withGrammar(new Pattern("([a-c]{2}forced[x-z]){3}"));
        answers.add(generate(model, request, "").await().tokens());
      }
    }
    assertEquals(answers.get(0), answers.get(1));
  }

  @Test
  void aVocabularyThatCannotGoOnFailsTheRequestAlone() {
    try (FakeModel model = new FakeModel(2, 40, 32)) {
      EngineException e =
          assertThrows(
              EngineException.class,
              () -> answer(model, new Choices(List.of("onze", "onza")), "z"));
      assertEquals(
          "the grammar of the answer: the vocabulary has no token that goes on from here, where"
              + " 'z' must follow",
          e.getMessage());
      assertTrue(e.getCause() == null);
      assertEquals("one", text(answer(model, new Choices(List.of("one")), "")));
    }
  }

  @Test
  void anEndIsOnlyWhereTheGrammarHasOne() {
    Constrained held = new Constrained(grammar(new Pattern("ab*")), new AtOnce());
    assertFalse(held.accepts(END));
    accept(held, "ab");
    assertTrue(held.accepts(END));
    assertFalse(held.complete());
    held.accept(END);
    assertTrue(held.complete());
    assertFalse(held.accepts(FakeModel.VOCABULARY - 1)); // a logit without a token
    assertTrue(Arrays.stream(held.mask()).allMatch(word -> word == 0));
  }

  @Test
  void aConstraintNeedsItsTexts() {
    assertThrows(IllegalArgumentException.class, () -> new Constraint.Behind("", true));
  }
}
