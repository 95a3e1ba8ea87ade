package dev.yuzui.grammar;

import dev.yuzui.grammar.Expr.Alt;
import dev.yuzui.grammar.Expr.Items;
import dev.yuzui.grammar.Expr.Lexeme;
import dev.yuzui.grammar.Expr.Member;
import dev.yuzui.grammar.Expr.Members;
import dev.yuzui.grammar.Expr.Rule;
import dev.yuzui.grammar.Expr.Seq;
import java.util.Collection;
import java.util.List;

/** The terminals of JSON in one layout, and what is any value. */
final class JsonTerminals {
  final RegexPool pool;
  final JsonEncoding content;
  final NumberForms numbers;

  /** A name or string whatever it says, each character in any of the ways that JSON has. */
  private final Regex unit;

  private final Regex quote;
  private final Regex gap;
  private final Regex comma;
  private final Regex colon;
  private final Expr any;

  JsonTerminals(RegexPool pool, JsonLayout layout) {
    this.pool = pool;
    content = new JsonEncoding(pool);
    numbers = new NumberForms(pool);
    quote = pool.literal("\"");
    unit = unit(pool);
    Regex space = pool.literal(" ");
    Regex oneSpace = pool.optional(space);
    Regex indent = pool.alt(pool.repeat(space, 0, 64), pool.repeat(pool.literal("\t"), 0, 16));
    Regex line = pool.concat(pool.optional(pool.literal("\r")), pool.literal("\n"), indent);
    gap =
        switch (layout) {
          case COMPACT -> pool.empty;
          case SPACED -> pool.alt(oneSpace, line);
        };
    comma =
        pool.concat(
            pool.literal(","),
            switch (layout) {
              case COMPACT -> oneSpace;
              case SPACED -> gap;
            });
    colon = pool.concat(pool.literal(":"), oneSpace);
    any = makeAny();
  }

  private static Regex unit(RegexPool pool) {
    Regex hex = hex(pool, "0123456789abcdefABCDEF");
    Regex dHigh = pool.concat(hex(pool, "dD"), hex(pool, "89abAB"), hex, hex);
    Regex dLow = pool.concat(hex(pool, "dD"), hex(pool, "cdefCDEF"), hex, hex);
    Regex other =
        pool.alt(
            pool.concat(hex(pool, "0123456789abcefABCEF"), hex, hex, hex),
            pool.concat(hex(pool, "dD"), hex(pool, "01234567"), hex, hex));
    Regex u = pool.literal("u");
    return pool.alt(
        Utf8.regex(pool, Charset.jsonPlain()),
        pool.concat(
            pool.literal("\\"),
            pool.alt(
                hex(pool, "\"\\/bfnrt"),
                pool.concat(u, other),
                pool.concat(u, dHigh, pool.literal("\\u"), dLow))));
  }

  private static Regex hex(RegexPool pool, String digits) {
    return Utf8.regex(pool, Charset.of(digits));
  }

  private Expr makeAny() {
    Rule value = new Rule("value");
    Regex scalar =
        pool.alt(
            freeString(0, RegexPool.UNBOUNDED),
            numbers.free(),
            pool.literal("true"),
            pool.literal("false"),
            pool.literal("null"));
    Expr object =
        members(
            List.of(),
            List.of(other("any", pool.concat(quote, pool.star(unit), quote), value)),
            0,
            RegexPool.UNBOUNDED);
    Expr array = items(List.of(), value, 0, RegexPool.UNBOUNDED, List.of(), 0, List.of());
    value.body(new Alt(List.of(new Lexeme(scalar), object, array)));
    return value;
  }

  Expr any() {
    return any;
  }

  Regex freeString(int min, int max) {
    return pool.concat(quote, pool.repeat(unit, min, max), quote);
  }

  /** A string of which {@code what} is written between the quotes. */
  Regex string(Regex what) {
    return pool.concat(quote, what, quote);
  }

  Regex length(int min, int max) {
    return pool.repeat(content.one(Charset.ANY), min, max);
  }

  Regex oneOf(Collection<String> texts) {
    return pool.alt(texts.stream().map(content::literal).toList());
  }

  Members members(List<Member> listed, List<Member> others, int min, int max) {
    return new Members(
        listed,
        others,
        min,
        max,
        new Lexeme(pool.concat(pool.literal("{"), gap, pool.literal("}"))),
        new Lexeme(pool.concat(gap, pool.literal("}"))));
  }

  Member listed(String name, Expr value, boolean required) {
    Regex key = pool.concat(string(content.literal(name)), colon);
    return new Member(name, first(key), next(key), value, required);
  }

  /**
   * A name that is not listed. Its terminal ends with its quote, so that all such have most of
   * their states together.
   */
  Member other(String name, Regex key, Expr value) {
    return new Member(
        name, first(key), next(key), new Seq(List.of(new Lexeme(colon), value)), false);
  }

  private Lexeme first(Regex key) {
    return new Lexeme(pool.concat(pool.literal("{"), gap, key));
  }

  private Lexeme next(Regex key) {
    return new Lexeme(pool.concat(comma, key));
  }

  Items items(
      List<Expr> prefix,
      Expr rest,
      int min,
      int max,
      List<Expr> wanted,
      int wantedMin,
      List<Expr> distinct) {
    return new Items(
        prefix,
        rest,
        min,
        max,
        wanted,
        wantedMin,
        distinct,
        new Lexeme(pool.concat(pool.literal("["), gap)),
        new Lexeme(comma),
        new Lexeme(pool.concat(gap, pool.literal("]"))));
  }
}
