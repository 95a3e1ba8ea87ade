package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Whether tokens to come are guessed and checked together: for commands that make text. */
public final class SpeculationOptions {
  @Option(
      names = "--spec-type",
      paramLabel = "TYPE",
      converter = Type.class,
      description =
          "Guess tokens and check them in one step, which changes no text: draft-mtp (by the"
              + " model's MTP layer), ngram (by what came before), none (default: none).")
  private Drafts type = Drafts.NONE;

  @Option(
      names = "--spec-draft-n-max",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Tokens guessed at a time (default: 1 of draft-mtp, 8 of ngram).")
  private Optional<Integer> most = Optional.empty();

  @Option(
      names = "--spec-draft-p-min",
      paramLabel = "P",
      converter = Ranges.Decimal.class,
      description = "Leave out guesses of a smaller probability; draft-mtp (default: 0).")
  private Optional<Double> leastProbable = Optional.empty();

  @Option(
      names = "--spec-draft-vocab-size",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Guess among the first N tokens of the vocabulary, the more frequent ones; draft-mtp"
              + " (default: half of 4096 or more).")
  private Optional<Integer> vocabulary = Optional.empty();

  /** A flag that would do nothing is a mistake. */
  private void requireUse() {
    if (type == Drafts.NONE && most.isPresent()) {
      throw UsageException.ofFlag("--spec-draft-n-max", "--spec-type beside it", "none");
    }
    if (type != Drafts.MTP && (leastProbable.isPresent() || vocabulary.isPresent())) {
      throw UsageException.ofFlag(
          leastProbable.isPresent() ? "--spec-draft-p-min" : "--spec-draft-vocab-size",
          "--spec-type draft-mtp beside it",
          type == Drafts.NONE ? "none" : "ngram");
    }
  }

  /**
   * @throws UsageException if the flags contradict each other
   */
  public Speculation speculation() {
    requireUse();
    try {
      return switch (type) {
        case NONE -> Speculation.NONE;
        case MTP ->
            new Speculation(
                type,
                most.orElse(1),
                leastProbable.orElse(0.0),
                vocabulary.map(OptionalInt::of).orElse(OptionalInt.empty()));
        case NGRAM -> new Speculation(type, most.orElse(8), 0);
      };
    } catch (IllegalArgumentException e) {
      throw new UsageException(Flags.in(e.getMessage()));
    }
  }

  static final class Type implements ITypeConverter<Drafts> {
    private static final Map<String, Drafts> BY_NAME =
        new TreeMap<>(Map.of("none", Drafts.NONE, "draft-mtp", Drafts.MTP, "ngram", Drafts.NGRAM));

    @Override
    public Drafts convert(String text) {
      return Optional.ofNullable(BY_NAME.get(text))
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected one of "
                          + String.join(", ", BY_NAME.keySet())
                          + ", found '"
                          + text
                          + "'"));
    }
  }
}
