package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.SchemaData.Entry;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoints;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Masks beside XGrammar's, token by token of a text, over the first tokens of V3's vocabulary. Of
 * one grammar they are the same. What the two make of a schema differs; each difference is followed
 * to the end of a text, which a third program judges.
 */
@Tag("long")
class XGrammarTest {
  private static final int TOKENS = 8192;
  private static final int SCHEMAS = 300;

  /** Of a list of texts it allows letters behind "organisms that none goes on with. */
  private static final Set<String> ITS_OWN = Set.of("Github_trivial---o65608");

  private static final Pattern ESCAPE = Pattern.compile("\\\\.");
  private static final Pattern AHEAD =
      Pattern.compile(
          "\\(=(?:\"(?:[^\"\\\\]|\\\\.)*\"|\\[(?:[^\\]\\\\]|\\\\.)*\\]|[^()\"\\[])*\\)");

  private final Random random = new Random(24);
  private GrammarVocabulary vocabulary;
  private XGrammar other;

  @BeforeEach
  void open() {
    Path folder = SchemaData.folder().resolveSibling("tokenizers").resolve("deepseek-v3");
    try (Tokenizer tokenizer = Tokenizer.of(Checkpoints.vocabulary(folder))) {
      GrammarVocabulary all = GrammarVocabulary.of(tokenizer);
      byte[][] bytes = new byte[TOKENS][];
      for (int id = 0; id < TOKENS; id++) {
        boolean letters = !tokenizer.isSpecial(id) && !tokenizer.isControl(id);
        bytes[id] = letters ? all.bytes()[id] : new byte[0];
      }
      vocabulary = new GrammarVocabulary(bytes, all.ends().get(0, TOKENS));
    }
    other = new XGrammar(vocabulary);
  }

  @AfterEach
  void close() {
    other.close();
  }

  /** Of every collection some. */
  private static List<Entry> entries() {
    List<Entry> all = new ArrayList<>(SchemaData.collected());
    Collections.shuffle(all, new Random(1));
    return all;
  }

  /** Without what is asserted of the text behind, a hint for itself; escapes as llama.cpp's. */
  private static String asGbnf(String notation) {
    return ESCAPE
        .matcher(AHEAD.matcher(notation).replaceAll(""))
        .replaceAll(
            match -> {
              char c = match.group().charAt(1);
              int at = "0abefv".indexOf(c);
              boolean known = "xuUtrn\\\"[]".indexOf(c) >= 0;
              return Matcher.quoteReplacement(
                  known
                      ? match.group()
                      : "\\x%02x"
                          .formatted(at < 0 ? (int) c : List.of(0, 7, 8, 27, 12, 11).get(at)));
            });
  }

  @Test
  void ofOneGrammarMasksAreTheSame() {
    GrammarCompiler compiler = new GrammarCompiler(vocabulary);
    int compared = 0;
    int masks = 0;
    List<String> unread = new ArrayList<>();
    List<String> wrong = new ArrayList<>();
    for (Entry entry : entries()) {
      if (compared == SCHEMAS) {
        break;
      }
      Optional<String> notation = other.notation(entry.schema());
      if (notation.isEmpty() || !other.beginGrammar(notation.get())) {
        continue; // it does not read the schema
      }
      Grammar grammar;
      try {
        grammar = compiler.compile(new Gbnf(asGbnf(notation.get())));
      } catch (GrammarException e) {
        unread.add(entry.name() + ": " + e.getMessage());
        continue;
      }
      compared++;
      GrammarState state = grammar.start();
      ByteArrayOutputStream text = new ByteArrayOutputStream();
      for (int step = 0; step < XGrammarWalk.STEPS && !state.ended(); step++) {
        BitSet mine = state.mask();
        BitSet his = other.mask();
        masks++;
        if (!mine.equals(his)) {
          if (ITS_OWN.contains(entry.name())) {
            break;
          }
          BitSet more = (BitSet) mine.clone();
          more.andNot(his);
          his.andNot(mine);
          wrong.add(entry.name() + ", behind " + text + ": +" + shown(more) + " -" + shown(his));
          break;
        }
        if (mine.isEmpty()) {
          break;
        }
        int token = XGrammarWalk.drawn(mine, vocabulary, random);
        state.accept(token);
        assertTrue(other.accept(token));
        text.writeBytes(vocabulary.bytes()[token]);
      }
    }
    System.out.println(compared + " grammars, " + masks + " masks; not read: " + unread);
    assertEquals("", String.join("\n", wrong));
    assertEquals(SCHEMAS, compared);
  }

  private String shown(BitSet tokens) {
    StringBuilder text = new StringBuilder(tokens.cardinality() + " tokens");
    tokens.stream()
        .limit(4)
        .forEach(
            id ->
                text.append(
                    " '" + new String(vocabulary.bytes()[id], StandardCharsets.UTF_8) + "'"));
    return text.toString();
  }

  @Test
  void differencesOfSchemasAreNotOurs() {
    GrammarCompiler compiler = new GrammarCompiler(vocabulary);
    Map<XGrammarWalk.Because, Integer> reasons = new EnumMap<>(XGrammarWalk.Because.class);
    List<String> wrong = new ArrayList<>();
    int compared = 0;
    int masks = 0;
    int same = 0;
    for (Entry entry : entries()) {
      if (compared == SCHEMAS) {
        break;
      }
      if (entry.schema().contains("\"email\"")) {
        continue; // the validator has a list of domains, and takes letters of any alphabet
      }
      Optional<Grammar> grammar = compiled(compiler, entry.schema());
      Optional<Validator> validator = Validator.of(entry.schema());
      if (grammar.isEmpty() || validator.isEmpty() || !other.beginSchema(entry.schema())) {
        continue;
      }
      compared++;
      XGrammarWalk walk =
          new XGrammarWalk(entry, grammar.get(), validator.get(), other, random, reasons, wrong);
      walk.go();
      masks += walk.masks();
      same += walk.same();
    }
    System.out.println(
        compared + " schemas, " + masks + " masks, " + same + " the same; tokens: " + reasons);
    assertEquals("", String.join("\n", wrong));
    assertEquals(SCHEMAS, compared);
  }

  private static Optional<Grammar> compiled(GrammarCompiler compiler, String schema) {
    try {
      return Optional.of(compiler.compile(new JsonSchema(schema)));
    } catch (GrammarException _) {
      return Optional.empty();
    }
  }
}
