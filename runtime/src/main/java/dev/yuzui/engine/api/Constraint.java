package dev.yuzui.engine.api;

import dev.yuzui.grammar.GrammarSource;
import java.util.Objects;

/**
 * What an answer may be. A constrained answer ends where nothing may follow, and a token that ends
 * a text is drawn only where the grammar may end, whatever {@link GenerateRequest#ignoreEos} says.
 *
 * @param begin from where on in the answer the grammar holds
 */
public record Constraint(GrammarSource source, Begin begin) {
  /** Where a grammar begins to hold. */
  public sealed interface Begin {}

  /** With the first token. */
  public record AtOnce() implements Begin {}

  /**
   * Behind the first {@code mark}; before it the answer is free.
   *
   * @param mark a template's text: {@code </think>}, {@code <｜tool▁calls▁begin｜>}
   * @param mayEnd whether the answer may end without one
   */
  public record Behind(String mark, boolean mayEnd) implements Begin {
    public Behind {
      Expected.that(!mark.isEmpty(), "Constraint.Behind.mark", "a text", "an empty one");
    }
  }

  /**
   * With the first token; but if that is {@code opening}, behind {@code mark}: a model that may
   * think, or not. Where the vocabulary has no such token it is as {@link AtOnce}.
   */
  public record Either(String opening, String mark) implements Begin {
    public Either {
      Expected.that(
          !opening.isEmpty() && !mark.isEmpty(), "Constraint.Either", "texts", "an empty one");
    }
  }

  public Constraint {
    Objects.requireNonNull(source);
    Objects.requireNonNull(begin);
  }

  /** With the first token. */
  public static Constraint of(GrammarSource source) {
    return new Constraint(source, new AtOnce());
  }
}
