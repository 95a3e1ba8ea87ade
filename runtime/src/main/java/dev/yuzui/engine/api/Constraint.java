package dev.yuzui.engine.api;

import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.ToolGrammar;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputFormat.Opening;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

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

  /** What follows the thinking, if a model thinks. */
  public static Constraint behindThinking(GrammarSource source, Opening opening) {
    return new Constraint(
        source,
        switch (opening) {
          case FREE -> new Either(OutputFormat.THINK, OutputFormat.END_THINK);
          case THINKING -> new Behind(OutputFormat.END_THINK, false);
          case ANSWERING -> new AtOnce();
        });
  }

  /**
   * Of an answer that may call tools.
   *
   * @param form of what it says; empty: any
   * @param tools that it may call
   * @param several whether more than once
   * @param opening where its prompt leaves it
   */
  public static Optional<Constraint> of(
      Optional<GrammarSource> form,
      OutputFormat format,
      List<Tool> tools,
      ToolChoice choice,
      boolean several,
      Opening opening) {
    if (tools.isEmpty()) {
      return form.map(source -> behindThinking(source, opening));
    }
    ToolGrammar grammar = new ToolGrammar(format, tools, several);
    return Optional.of(
        switch (choice) {
          case ToolChoice.None _ ->
              throw new IllegalArgumentException("tools: expected none, found " + tools.size());
          case ToolChoice.Required _, ToolChoice.Named _ ->
              behindThinking(grammar.calls(), opening);
          case ToolChoice.Auto _ ->
              form.map(
                      source ->
                          behindThinking(
                              new GrammarSource.OneOf(List.of(grammar.calls(), source)), opening))
                  .orElseGet(
                      () -> new Constraint(grammar.behindMark(), new Behind(grammar.mark(), true)));
        });
  }
}
