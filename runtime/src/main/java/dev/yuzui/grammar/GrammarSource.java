package dev.yuzui.grammar;

import java.util.List;

/** Where a grammar comes from. */
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
}
