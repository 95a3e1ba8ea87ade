package dev.yuzui.grammar;

import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonObject;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Named;
import dev.yuzui.grammar.GrammarSource.OneOf;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarSource.Refused;
import dev.yuzui.grammar.GrammarSource.Repeated;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import dev.yuzui.grammar.GrammarSource.Text;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Compiles grammars for one vocabulary, and keeps those that were used last. Any thread may use it;
 * what terminals of one grammar taught about tokens serves the next.
 */
public final class GrammarCompiler {
  private static final int MOST_KEPT = 64;

  /** Expressions after which terminals are forgotten: those in use keep theirs. */
  private static final int MOST_EXPRESSIONS = 400_000;

  private final GrammarVocabulary vocabulary;
  private final GrammarLimits limits;
  private final Map<GrammarSource, Grammar> kept;
  private Terminals terminals;

  /** Terminals of many grammars, and what tokens do in them. */
  private record Terminals(
      RegexPool pool, TokenWalker walker, TextEncoding text, Map<JsonLayout, JsonTerminals> json) {
    static Terminals of(RegexPool pool, TokenWalker walker) {
      Map<JsonLayout, JsonTerminals> json = new EnumMap<>(JsonLayout.class);
      for (JsonLayout layout : JsonLayout.values()) {
        json.put(layout, new JsonTerminals(pool, layout));
      }
      return new Terminals(pool, walker, new TextEncoding(pool), Map.copyOf(json));
    }

    static Terminals of(GrammarVocabulary vocabulary) {
      RegexPool pool = new RegexPool();
      return of(pool, new TokenWalker(vocabulary, pool));
    }

    Terminals anew() {
      RegexPool fresh = new RegexPool();
      return of(fresh, walker.in(fresh));
    }
  }

  public GrammarCompiler(GrammarVocabulary vocabulary) {
    this(vocabulary, GrammarLimits.DEFAULT);
  }

  public GrammarCompiler(GrammarVocabulary vocabulary, GrammarLimits limits) {
    this.vocabulary = vocabulary;
    this.limits = limits;
    terminals = Terminals.of(vocabulary);
    kept =
        new LinkedHashMap<>(16, 0.75f, true) {
          private static final long serialVersionUID = 1L;

          @Override
          protected boolean removeEldestEntry(Map.Entry<GrammarSource, Grammar> eldest) {
            return size() > MOST_KEPT;
          }
        };
  }

  /** Throws {@link GrammarException} if the grammar is malformed, empty, or beyond the limits. */
  public Grammar compile(GrammarSource source) {
    Terminals now;
    synchronized (this) {
      Grammar found = kept.get(source);
      if (found != null) {
        return found;
      }
      if (terminals.pool().size() > MOST_EXPRESSIONS) {
        terminals = terminals.anew();
      }
      now = terminals;
    }
    Grammar made = make(source, now);
    synchronized (this) {
      kept.put(source, made);
    }
    return made;
  }

  private Grammar make(GrammarSource source, Terminals now) {
    Budget budget = new Budget(limits);
    Expr root;
    try {
      root = root(source, now, budget);
    } catch (StackOverflowError e) {
      throw new GrammarException("the grammar is nested too deeply; simplify it", e);
    }
    Sound sound = new Sound(root);
    if (!sound.productive(root)) {
      throw new GrammarException(
          "the grammar: expected one that some text matches, found one that none does");
    }
    return new Grammar(vocabulary, now.walker(), new Machine(root, sound));
  }

  private Expr root(GrammarSource source, Terminals now, Budget budget) {
    return switch (source) {
      case JsonSchema schema -> {
        requireSize(schema.schema());
        yield JsonSchemaGrammar.of(schema.schema(), now.json().get(schema.layout()), budget);
      }
      case JsonObject object ->
          JsonSchemaGrammar.of("{\"type\":\"object\"}", now.json().get(object.layout()), budget);
      case Gbnf gbnf -> {
        requireSize(gbnf.text());
        yield GbnfGrammar.of(gbnf.text(), now.text(), budget);
      }
      case Pattern pattern -> {
        requireSize(pattern.regex());
        yield new Expr.Lexeme(RegexParser.whole(pattern.regex(), now.text(), budget));
      }
      case Choices choices -> {
        if (choices.texts().isEmpty()) {
          throw new GrammarException("choices: expected at least one text, found none");
        }
        choices.texts().forEach(this::requireSize);
        List<byte[]> texts =
            choices.texts().stream().map(t -> t.getBytes(StandardCharsets.UTF_8)).toList();
        yield new Expr.Lexeme(now.pool().oneOf(texts));
      }
      case Template template ->
          new Expr.Lexeme(now.pool().literal(vocabulary.template(template.text())));
      case Text text -> new Expr.Lexeme(text(now, text, budget));
      case Sequence sequence -> new Expr.Seq(roots(sequence.parts(), now, budget));
      case OneOf one -> new Expr.Alt(roots(one.parts(), now, budget));
      case Repeated repeated ->
          new Expr.Repeat(
              root(repeated.part(), now, budget),
              repeated.min(),
              repeated.max() == Repeated.ANY_NUMBER ? RegexPool.UNBOUNDED : repeated.max());
      case Named named -> named(named, now, budget);
      case Refused refused -> throw new GrammarException(refused.because());
    };
  }

  private List<Expr> roots(List<GrammarSource> sources, Terminals now, Budget budget) {
    return sources.stream().map(source -> root(source, now, budget)).toList();
  }

  private Expr named(Named named, Terminals now, Budget budget) {
    try {
      Expr part = root(named.part(), now, budget);
      if (!new Sound(part).productive(part)) {
        throw new GrammarException("expected one that some text matches, found one that none does");
      }
      return part;
    } catch (GrammarException e) {
      throw new GrammarPartException(named.name(), e);
    }
  }

  private static Regex text(Terminals now, Text text, Budget budget) {
    RegexPool pool = now.pool();
    TextEncoding written = now.text();
    Regex any = written.any();
    Regex with = pool.concat(any, written.literal(text.without()), any);
    List<Regex> parts = new ArrayList<>(List.of(any, pool.not(with)));
    if (!text.values().isEmpty()) {
      parts.add(pool.alt(text.values().stream().map(written::literal).toList()));
    }
    text.pattern()
        .map(p -> new RegexBuilder(p, written).somewhere(RegexParser.parse(p, budget)))
        .ifPresent(parts::add);
    text.format()
        .flatMap(StringFormats::pattern)
        .map(p -> RegexParser.whole(p, written, budget))
        .ifPresent(parts::add);
    if (text.minLength() > 0 || text.maxLength() >= 0) {
      int most = text.maxLength() < 0 ? RegexPool.UNBOUNDED : text.maxLength();
      parts.add(pool.repeat(written.one(Charset.ANY), text.minLength(), most));
    }
    return pool.and(parts);
  }

  private void requireSize(String text) {
    if (text.length() > limits.bytes()) {
      throw new GrammarException(
          "the grammar: expected at most "
              + limits.bytes()
              + " characters, found "
              + text.length());
    }
  }
}
