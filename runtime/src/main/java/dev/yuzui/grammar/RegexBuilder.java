package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.List;

/**
 * Turns what was written into an expression over bytes. What looks around is resolved by what
 * follows it: {@code ^} where nothing was read is nothing, {@code $} leaves the empty text alone,
 * and looking ahead intersects.
 */
final class RegexBuilder {
  private final String text;
  private final TextEncoding encoding;
  private final RegexPool pool;

  RegexBuilder(String text, TextEncoding encoding) {
    this.text = text;
    this.encoding = encoding;
    pool = encoding.pool;
  }

  /** What follows, when nothing has been read so far and when something has. */
  private interface Rest {
    Regex after(boolean atStart);
  }

  /** Texts that match as a whole. */
  Regex whole(RegexSyntax syntax) {
    return syntax.looks() ? build(syntax, true, _ -> pool.empty) : plain(syntax);
  }

  /** Texts that have a match somewhere. */
  Regex somewhere(RegexSyntax syntax) {
    Regex any = encoding.any();
    Rest rest = _ -> any;
    Regex later = pool.concat(encoding.one(Charset.ANY), any, build(syntax, false, rest));
    return pool.alt(build(syntax, true, rest), later);
  }

  private Regex build(RegexSyntax syntax, boolean atStart, Rest rest) {
    if (!syntax.looks()) {
      Regex read = plain(syntax);
      Regex result = pool.concat(read, rest.after(false));
      return read.nullable && atStart ? pool.alt(result, rest.after(true)) : result;
    }
    return switch (syntax) {
      case RegexSyntax.One _ -> throw new IllegalStateException();
      case RegexSyntax.Begin _ -> atStart ? rest.after(true) : pool.none;
      case RegexSyntax.End _ -> rest.after(atStart).nullable ? pool.empty : pool.none;
      case RegexSyntax.Seq seq -> sequence(seq.parts(), 0, atStart, rest);
      case RegexSyntax.Alt alt ->
          pool.alt(alt.parts().stream().map(part -> build(part, atStart, rest)).toList());
      case RegexSyntax.Ahead ahead -> {
        Regex any = encoding.any();
        Regex seen = build(ahead.part(), atStart, _ -> any);
        yield pool.and(ahead.negative() ? pool.not(seen) : seen, rest.after(atStart));
      }
      case RegexSyntax.Repeat repeat -> {
        if (repeat.max() == 1) {
          Regex once = build(repeat.part(), atStart, rest);
          yield repeat.min() == 1 ? once : pool.alt(once, rest.after(atStart));
        }
        throw new GrammarException(
            "regular expression '"
                + text
                + "': ^, $ or looking ahead within a repetition is not supported; write it"
                + " without");
      }
    };
  }

  private Regex sequence(List<RegexSyntax> parts, int at, boolean atStart, Rest rest) {
    return at == parts.size()
        ? rest.after(atStart)
        : build(parts.get(at), atStart, start -> sequence(parts, at + 1, start, rest));
  }

  private Regex plain(RegexSyntax syntax) {
    return switch (syntax) {
      case RegexSyntax.One one -> encoding.one(one.set());
      case RegexSyntax.Seq seq -> {
        List<Regex> parts = new ArrayList<>();
        seq.parts().forEach(part -> parts.add(plain(part)));
        yield pool.concat(parts.toArray(Regex[]::new));
      }
      case RegexSyntax.Alt alt -> pool.alt(alt.parts().stream().map(this::plain).toList());
      case RegexSyntax.Repeat repeat ->
          pool.repeat(plain(repeat.part()), repeat.min(), repeat.max());
      default -> throw new IllegalStateException();
    };
  }
}
