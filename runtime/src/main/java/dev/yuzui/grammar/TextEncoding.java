package dev.yuzui.grammar;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** How characters are written: as they are. */
class TextEncoding {
  final RegexPool pool;
  private final Map<Charset, Regex> made = new ConcurrentHashMap<>();

  TextEncoding(RegexPool pool) {
    this.pool = pool;
  }

  /** One character of {@code set}. */
  final Regex one(Charset set) {
    Regex found = made.get(set);
    if (found == null) {
      found = find(set);
      made.put(set, found);
    }
    return found;
  }

  Regex find(Charset set) {
    return Utf8.regex(pool, set);
  }

  final Regex any() {
    return pool.star(one(Charset.ANY));
  }

  final Regex literal(String text) {
    Regex result = pool.empty;
    int[] characters = text.codePoints().toArray();
    for (int i = characters.length - 1; i >= 0; i--) {
      result = pool.concat(one(Charset.range(characters[i], characters[i])), result);
    }
    return result;
  }
}
