package dev.yuzui.grammar;

/** What is left of {@link GrammarLimits} while a grammar is compiled. */
final class Budget {
  private final GrammarLimits limits;
  private final long start = System.nanoTime();
  private int parts;

  Budget(GrammarLimits limits) {
    this.limits = limits;
  }

  /** Of another part; throws when there have been too many, or it took too long. */
  void spend() {
    spend(1);
  }

  void spend(int more) {
    parts += more;
    if (parts > limits.parts()) {
      throw new GrammarException(
          "the grammar is too large: more than " + limits.parts() + " parts; simplify it");
    }
    if (System.nanoTime() - start > limits.time().toNanos()) {
      throw new GrammarException(
          "the grammar is too large: it takes longer to compile than "
              + limits.time().toMillis()
              + " ms; simplify it");
    }
  }
}
