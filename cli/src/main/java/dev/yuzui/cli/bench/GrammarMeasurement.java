package dev.yuzui.cli.bench;

import dev.yuzui.grammar.Grammar;
import dev.yuzui.grammar.GrammarCompiler;
import dev.yuzui.grammar.GrammarException;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarState;
import dev.yuzui.grammar.JsonForm;
import dev.yuzui.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Compiles a schema, and makes a mask at every token of each value's text. */
final class GrammarMeasurement {
  private final GrammarCompiler compiler;
  private final Tokenizer tokenizer;
  private final List<Long> masks = new ArrayList<>();

  GrammarMeasurement(GrammarCompiler compiler, Tokenizer tokenizer) {
    this.compiler = compiler;
    this.tokenizer = tokenizer;
  }

  /**
   * @param status ok, refused, or error where something of ours failed
   * @param reason empty if ok
   * @param firstMaskMs of the text's first token, after compiling
   */
  record Row(
      String name,
      String status,
      Optional<String> reason,
      double compileMs,
      Optional<Double> firstMaskMs,
      Optional<Masks> maskUs,
      List<Outcome> tests) {}

  record Outcome(boolean valid, boolean accepted) {}

  /** Microseconds. */
  record Masks(int n, double mean, double p50, double p99, double max) {
    static Masks of(List<Long> nanos) {
      long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
      return new Masks(
          sorted.length,
          rounded(Arrays.stream(sorted).average().orElse(0) / 1e3),
          at(sorted, 0.5),
          at(sorted, 0.99),
          at(sorted, 1));
    }

    private static double at(long[] sorted, double share) {
      int index = (int) Math.ceil(share * sorted.length) - 1;
      return rounded(sorted[Math.clamp(index, 0, sorted.length - 1)] / 1e3);
    }
  }

  static double rounded(double value) {
    return Math.round(value * 1e3) / 1e3;
  }

  /** Nanoseconds of each mask so far. */
  List<Long> masks() {
    return masks;
  }

  Row measure(GrammarCase each) {
    long start = System.nanoTime();
    try {
      Grammar grammar = compiler.compile(new GrammarSource.JsonSchema(each.schema()));
      double compiled = millis(start);
      long[] words = new long[grammar.vocabulary().words()];
      long before = System.nanoTime();
      grammar.start().mask(words);
      double first = millis(before);
      List<Outcome> outcomes = new ArrayList<>();
      for (GrammarCase.Instance test : each.tests()) {
        outcomes.add(new Outcome(test.valid(), accepts(grammar, test.data(), words)));
      }
      Optional<Masks> all = masks.isEmpty() ? Optional.empty() : Optional.of(Masks.of(masks));
      return new Row(
          each.name(), "ok", Optional.empty(), compiled, Optional.of(first), all, outcomes);
    } catch (GrammarException e) {
      return failed(each, "refused", e.getMessage(), start);
    } catch (RuntimeException | StackOverflowError e) {
      return failed(each, "error", e.toString(), start);
    }
  }

  private static Row failed(GrammarCase each, String status, String reason, long start) {
    return new Row(
        each.name(),
        status,
        Optional.of(reason),
        millis(start),
        Optional.empty(),
        Optional.empty(),
        List.of());
  }

  private static double millis(long start) {
    return rounded((System.nanoTime() - start) / 1e6);
  }

  /** A value that no order of names makes fit is read in its own, up to the token that does not. */
  private boolean accepts(Grammar grammar, String data, long[] words) {
    String text = JsonForm.of(grammar, data).orElseGet(() -> JsonForm.plain(data));
    GrammarState state = grammar.start();
    for (int token : tokenizer.encode(text, false, false)) {
      long start = System.nanoTime();
      state.mask(words);
      masks.add(System.nanoTime() - start);
      if ((words[token >> 6] >>> token & 1) == 0) {
        return false;
      }
      state.accept(token);
    }
    return state.mayEnd();
  }
}
