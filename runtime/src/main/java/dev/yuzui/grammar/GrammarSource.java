package dev.yuzui.grammar;

import java.util.List;
import java.util.Optional;

/**
 * Where a grammar comes from: notations that people write, and parts that a program puts together.
 */
public sealed interface GrammarSource {
  /**
   * A JSON value that a schema allows.
   *
   * @param schema as JSON; draft 4 to 7, 2019-09 and 2020-12
   */
  record JsonSchema(String schema, JsonLayout layout) implements GrammarSource {
    public JsonSchema(String schema) {
      this(schema, JsonLayout.SPACED);
    }
  }

  /** Any JSON object. */
  record JsonObject(JsonLayout layout) implements GrammarSource {}

  /** llama.cpp's notation; the text is what {@code root} stands for. */
  record Gbnf(String text) implements GrammarSource {}

  /** ECMAScript's notation; the whole text matches. */
  record Pattern(String regex) implements GrammarSource {}

  /** One of these texts. */
  record Choices(List<String> texts) implements GrammarSource {
    public Choices {
      texts = List.copyOf(texts);
    }
  }

  /** This text, in which control tokens of the vocabulary are meant: {@code <｜tool▁sep｜>}. */
  record Template(String text) implements GrammarSource {}

  /**
   * A text that stands without quotes, as JSON Schema's keywords say it may be; letters, never
   * control tokens.
   *
   * @param without what is no part of it, for it stands behind
   * @param values that it has one of; none: any
   * @param pattern what is found in it
   * @param maxLength in characters; −1: any
   */
  record Text(
      String without,
      List<String> values,
      Optional<String> pattern,
      Optional<String> format,
      int minLength,
      int maxLength)
      implements GrammarSource {
    public Text {
      values = List.copyOf(values);
    }

    static Text any(String without) {
      return new Text(without, List.of(), Optional.empty(), Optional.empty(), 0, -1);
    }
  }

  /** One behind the other. */
  record Sequence(List<GrammarSource> parts) implements GrammarSource {
    public Sequence {
      parts = List.copyOf(parts);
    }
  }

  /** One of them. */
  record OneOf(List<GrammarSource> parts) implements GrammarSource {
    public OneOf {
      parts = List.copyOf(parts);
    }
  }

  /**
   * {@code min} to {@code max} times.
   *
   * @param max −1: any number
   */
  record Repeated(GrammarSource part, int min, int max) implements GrammarSource {
    public static final int ANY_NUMBER = -1;
  }

  /**
   * What is wrong with the part is said of {@code name}.
   *
   * @param name where it stands, for messages: {@code tools[2].function.parameters}
   */
  record Named(String name, GrammarSource part) implements GrammarSource {}

  /** What cannot be honoured: compiling it fails, with this message. */
  record Refused(String because) implements GrammarSource {}
}
