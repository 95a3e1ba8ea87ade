package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.networknt.schema.SpecificationVersion;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.SchemaData.Entry;
import dev.yuzui.grammar.SchemaData.Instance;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Thousands of schemas that others wrote. */
class SchemaDataTest {
  private final GrammarCompiler compiler = new GrammarCompiler(Vocabularies.of(RandomWalk.COMMON));

  private int compiled;
  private final Map<String, Integer> refusals = new LinkedHashMap<>();

  private Optional<Grammar> compile(Entry entry) {
    long start = System.nanoTime();
    try {
      Grammar grammar = compiler.compile(new JsonSchema(entry.schema()));
      compiled++;
      return Optional.of(grammar);
    } catch (GrammarException e) {
      refusals.merge(e.getMessage().replaceFirst("^schema, '[^']*': ", ""), 1, Integer::sum);
      return Optional.empty();
    } finally {
      long seconds = (System.nanoTime() - start) / 1_000_000_000;
      assertTrue(seconds < 10, () -> entry.name() + " took " + seconds + " s");
    }
  }

  /** At least 84 % compile; no invalid value is allowed, and at most two in a thousand are not. */
  @Test
  @Tag("long")
  void instancesAreAllowedAsTheirLabelsSay() {
    List<Entry> entries = SchemaData.collected();
    List<String> allowed = new ArrayList<>();
    List<String> refused = new ArrayList<>();
    int valid = 0;
    for (Entry entry : entries) {
      Optional<Grammar> grammar = compile(entry);
      if (grammar.isEmpty()) {
        continue;
      }
      for (Instance test : entry.tests()) {
        valid += test.valid() ? 1 : 0;
        boolean reads = JsonForm.of(grammar.get(), test.data()).isPresent();
        if (reads != test.valid()) {
          (reads ? allowed : refused).add(entry.name() + ": " + test.data());
        }
      }
    }
    System.out.println(compiled + " of " + entries.size() + " compiled; refused: " + refusals);
    assertTrue(compiled >= 0.84 * entries.size(), compiled + " of " + entries.size());
    assertEquals(List.of(), allowed);
    assertTrue(refused.size() <= 0.002 * valid, refused::toString);
  }

  @Test
  @Tag("long")
  void textsThatMasksAllowAreValues() {
    List<String> wrong = new ArrayList<>();
    int texts = 0;
    Random random = new Random(7);
    for (Entry entry : SchemaData.collected()) {
      Optional<Grammar> grammar = compile(entry);
      if (grammar.isEmpty()) {
        continue;
      }
      // Java's \\s is ASCII's, ECMAScript's is not; and the validator has a list of domains
      Optional<Validator> validator =
          entry.schema().contains("\\\\s") || entry.schema().contains("\"email\"")
              ? Optional.empty()
              : Validator.of(entry.schema());
      for (int i = 0; i < 3 && validator.isPresent(); i++) {
        Optional<String> text;
        try {
          text = RandomWalk.text(grammar.get(), random);
        } catch (AssertionError e) {
          wrong.add(entry.name() + ": " + e.getMessage() + " in " + entry.schema());
          break;
        }
        if (text.isPresent()) {
          texts++;
          List<String> errors = validator.get().errors(text.get());
          if (!errors.isEmpty()) {
            wrong.add(entry.name() + ": " + text.get() + ": " + errors + " in " + entry.schema());
          }
        }
      }
    }
    System.out.println(texts + " texts");
    assertEquals("", String.join("\n", wrong));
  }

  @ParameterizedTest
  @CsvSource({"draft7, DRAFT_7", "draft2020-12, DRAFT_2020_12"})
  void theTestSuiteOfJsonSchemaAgrees(String draft, SpecificationVersion version) {
    List<String> allowed = new ArrayList<>();
    List<String> refused = new ArrayList<>();
    List<Entry> entries = SchemaData.suite(draft);
    int tests = 0;
    for (Entry entry : entries) {
      Optional<Grammar> grammar = compile(entry);
      for (Instance test : grammar.isPresent() ? entry.tests() : List.<Instance>of()) {
        tests++;
        boolean reads = JsonForm.of(grammar.orElseThrow(), test.data()).isPresent();
        if (reads != test.valid()) {
          (reads ? allowed : refused)
              .add(entry.name() + ": " + test.description() + ": " + test.data());
        }
      }
    }
    System.out.println(
        version
            + ": "
            + compiled
            + " of "
            + entries.size()
            + " compiled, "
            + tests
            + " tests, "
            + refused.size()
            + " valid ones refused: "
            + String.join("\n", refused));
    System.out.println("not compiled: " + refusals);
    assertEquals("", String.join("\n", allowed));
  }
}
