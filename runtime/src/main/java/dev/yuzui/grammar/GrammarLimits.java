package dev.yuzui.grammar;

import java.time.Duration;

/**
 * What compiling a grammar may cost; beyond it the grammar is refused.
 *
 * @param bytes of the source
 * @param parts expressions and rules
 */
public record GrammarLimits(int bytes, int parts, Duration time) {
  public static final GrammarLimits DEFAULT =
      new GrammarLimits(4 << 20, 200_000, Duration.ofSeconds(5));
}
