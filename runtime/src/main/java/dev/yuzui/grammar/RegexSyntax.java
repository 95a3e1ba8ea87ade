package dev.yuzui.grammar;

import java.util.List;

/** A regular expression as it is written, with what looks around. */
sealed interface RegexSyntax {
  record One(Charset set) implements RegexSyntax {}

  record Seq(List<RegexSyntax> parts) implements RegexSyntax {}

  record Alt(List<RegexSyntax> parts) implements RegexSyntax {}

  record Repeat(RegexSyntax part, int min, int max) implements RegexSyntax {}

  /** {@code ^} */
  record Begin() implements RegexSyntax {}

  /** {@code $} */
  record End() implements RegexSyntax {}

  record Ahead(RegexSyntax part, boolean negative) implements RegexSyntax {}

  /** Whether it holds something that looks around. */
  default boolean looks() {
    return switch (this) {
      case One _ -> false;
      case Seq seq -> seq.parts().stream().anyMatch(RegexSyntax::looks);
      case Alt alt -> alt.parts().stream().anyMatch(RegexSyntax::looks);
      case Repeat repeat -> repeat.part().looks();
      case Begin _, End _, Ahead _ -> true;
    };
  }

  /** Characters of the shortest match. */
  default long shortest() {
    return switch (this) {
      case One _ -> 1;
      case Seq seq -> seq.parts().stream().mapToLong(RegexSyntax::shortest).sum();
      case Alt alt -> alt.parts().stream().mapToLong(RegexSyntax::shortest).min().orElse(0);
      case Repeat repeat -> repeat.min() * repeat.part().shortest();
      case Begin _, End _, Ahead _ -> 0;
    };
  }

  /** Characters of the longest match; {@link Integer#MAX_VALUE} or more where there is none. */
  default long longest() {
    return Math.min(
        Integer.MAX_VALUE,
        switch (this) {
          case One _ -> 1;
          case Seq seq -> seq.parts().stream().mapToLong(RegexSyntax::longest).sum();
          case Alt alt -> alt.parts().stream().mapToLong(RegexSyntax::longest).max().orElse(0);
          case Repeat repeat ->
              repeat.part().longest() == 0
                  ? 0
                  : repeat.max() == RegexPool.UNBOUNDED
                      ? Integer.MAX_VALUE
                      : repeat.max() * repeat.part().longest();
          case Begin _, End _, Ahead _ -> 0;
        });
  }
}
