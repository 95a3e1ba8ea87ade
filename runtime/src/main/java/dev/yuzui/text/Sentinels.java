package dev.yuzui.text;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Tells the control tokens that people spell from those of a template, which cannot track where a
 * text came from. Before a conversation is rendered, the first letter of each control token in it
 * is swapped for a character of Unicode's private-use area; in the rendered text those characters
 * mark where letters are meant. One letter stands for one, so that lengths, places, trimming and
 * splitting stay what they were. The characters are chosen from those that the conversation does
 * not hold, so that nothing a person writes can be mistaken for one.
 *
 * <p>A text's end that a later text could complete to a control token is swapped too.
 */
final class Sentinels {
  private static final char FIRST = '\ue000';
  private static final char LAST = '\uf8ff';

  private final ControlTokens tokens;
  private final BitSet used = new BitSet(); // private-use characters of the conversation
  private final Map<Character, Character> sentinels = new LinkedHashMap<>();
  private final Map<Character, Character> letters = new LinkedHashMap<>();

  /**
   * @param tokens of the model
   * @param conversation all that will be {@link #guard}ed: JSON values and {@link Message}s
   */
  Sentinels(ControlTokens tokens, List<?> conversation) {
    this.tokens = tokens;
    note(conversation);
    int next = 0;
    for (char letter : tokens.firsts()) {
      next = used.nextClearBit(next);
      if (FIRST + next > LAST) {
        throw new TextException(
            "the messages hold every private-use character there is (U+E000 to U+F8FF), and some"
                + " are needed to tell their control tokens from the template's; take one out");
      }
      char sentinel = (char) (FIRST + next++);
      sentinels.put(letter, sentinel);
      letters.put(sentinel, letter);
    }
  }

  private void note(Object value) {
    switch (value) {
      case Message message -> note(message.fields());
      case Map<?, ?> map -> {
        note(List.copyOf(map.keySet()));
        map.values().forEach(this::note);
      }
      case List<?> list -> list.forEach(this::note);
      case String text -> {
        for (int i = 0; i < text.length(); i++) {
          int code = text.charAt(i) == '\\' ? escaped(text, i) : text.charAt(i);
          if (code >= FIRST && code <= LAST) {
            used.set(code - FIRST);
          }
        }
      }
      case null, default -> {}
    }
  }

  /** What {@code \\ue000} says at {@code at}, as JSON for ASCII has it; −1 if it is not there. */
  private static int escaped(CharSequence text, int at) {
    if (at + 6 > text.length() || text.charAt(at + 1) != 'u') {
      return -1;
    }
    int code = 0;
    for (int i = at + 2; i < at + 6; i++) {
      int digit = Character.digit(text.charAt(i), 16);
      if (digit < 0) {
        return -1;
      }
      code = 16 * code + digit;
    }
    return code;
  }

  /** The message, its control tokens marked; an answer's own {@code <think>} stays as it is. */
  Message guard(Message message) {
    boolean answer = message.role().equals("assistant");
    @SuppressWarnings("unchecked") // a map stays one
    Map<String, Object> more = (Map<String, Object>) guard((Object) message.more());
    return new Message(
        guard(message.role(), Set.of()),
        message.content().map(text -> guard(text, answer ? ControlTokens.THINK : Set.of())),
        more);
  }

  /** A JSON value, however deep. */
  Object guard(Object value) {
    return switch (value) {
      case String text -> guard(text, Set.of());
      case Map<?, ?> map -> {
        Map<String, Object> out = new LinkedHashMap<>();
        map.forEach((key, v) -> out.put(guard(String.valueOf(key), Set.of()), guard(v)));
        yield out;
      }
      case List<?> list -> {
        List<Object> out = new ArrayList<>();
        list.forEach(v -> out.add(guard(v)));
        yield out;
      }
      case null, default -> value;
    };
  }

  private String guard(String text, Set<String> except) {
    int end = text.stripTrailing().length(); // a template may trim
    StringBuilder out = new StringBuilder(text);
    for (int i = 0; i < text.length(); i++) {
      String token = tokens.at(text, i);
      boolean meant = except.contains(token);
      if (!meant && (!token.isEmpty() || tokens.begun(text, i, end))) {
        out.setCharAt(i, sentinels.get(text.charAt(i)));
      }
    }
    return out.toString();
  }

  /** The pieces of what a template made of guarded messages. */
  Prompt pieces(String rendered) {
    StringBuilder text = new StringBuilder(rendered.length());
    BitSet marked = new BitSet();
    for (int i = 0; i < rendered.length(); i++) {
      boolean escape = rendered.charAt(i) == '\\' && isSentinel(escaped(rendered, i));
      char c = escape ? (char) escaped(rendered, i) : rendered.charAt(i);
      if (letters.containsKey(c)) {
        marked.set(text.length());
        i += escape ? 5 : 0;
      }
      text.append(letters.getOrDefault(c, c));
    }
    return pieces(text.toString(), marked);
  }

  private boolean isSentinel(int code) {
    return code >= 0 && letters.containsKey((char) code);
  }

  private Prompt pieces(String text, BitSet marked) {
    List<Prompt.Piece> pieces = new ArrayList<>();
    int from = 0;
    for (int at = marked.nextSetBit(0); at >= 0; at = marked.nextSetBit(from)) {
      if (at > from) {
        pieces.add(new Prompt.Template(text.substring(from, at)));
      }
      from = at + Math.max(1, tokens.at(text, at).length());
      pieces.add(new Prompt.Literal(text.substring(at, from)));
    }
    if (from < text.length() || pieces.isEmpty()) {
      pieces.add(new Prompt.Template(text.substring(from)));
    }
    return new Prompt(pieces);
  }
}
