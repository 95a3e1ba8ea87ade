package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.JsonSchema;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Texts that masks allow are values that another's validator allows. */
class RandomWalkTest {
  private static final GrammarCompiler COMPILER =
      new GrammarCompiler(Vocabularies.of(RandomWalk.COMMON));

  @ParameterizedTest
  @MethodSource("dev.yuzui.grammar.SchemaCases#all")
  void everyTextIsAValueOfTheSchema(SchemaCases.Case each) {
    Grammar grammar = COMPILER.compile(new JsonSchema(each.schema()));
    Validator validator = new Validator(each.schema());
    Random random = new Random(each.schema().hashCode());
    // the validator has a list of the domains that a mailbox may be in
    for (int i = 0; i < 40 && !each.schema().contains("email"); i++) {
      RandomWalk.text(grammar, random)
          .ifPresent(
              text ->
                  assertEquals(List.of(), validator.errors(text), each.schema() + " and " + text));
    }
    for (String value : each.valid()) {
      String text = JsonForm.of(grammar, value).orElseThrow();
      assertTrue(RandomWalk.reads(grammar, text), text);
    }
  }
}
