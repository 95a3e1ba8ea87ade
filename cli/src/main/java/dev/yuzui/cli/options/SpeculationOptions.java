package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import java.nio.file.Path;
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
              + " model's MTP layer), draft-simple (by the model of -md), ngram (by what came"
              + " before), none (default: draft-simple with -md, else none).")
  private Optional<Drafts> named = Optional.empty();

  @Option(
      names = {"-md", "--model-draft", "--spec-draft-model"},
      paramLabel = "FILE",
      description =
          "A smaller model with the same vocabulary, which guesses: a distillation for a larger"
              + " one, say.")
  private Optional<Path> model = Optional.empty();

  @Option(
      names = {"-devd", "--device-draft", "--spec-draft-device"},
      paramLabel = "NAME",
      description = "Where the model of -md runs, as --device has it (default: its first).")
  private Optional<String> device = Optional.empty();

  @Option(
      names = "--spec-draft-n-max",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Tokens guessed at a time (default: 1 of draft-mtp, 3 of draft-simple, up to 8 of"
              + " ngram, fewer where the last were wrong).")
  private Optional<Integer> most = Optional.empty();

  @Option(
      names = "--spec-draft-p-min",
      paramLabel = "P",
      converter = Ranges.Decimal.class,
      description =
          "Leave out guesses of a smaller probability; draft-mtp and draft-simple (default: 0).")
  private Optional<Double> leastProbable = Optional.empty();

  @Option(
      names = "--spec-draft-vocab-size",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Guess among the first N tokens of the vocabulary, the more frequent ones; draft-mtp"
              + " (default: half of 4096 or more).")
  private Optional<Integer> vocabulary = Optional.empty();

  private Drafts type() {
    return named.orElse(model.isPresent() ? Drafts.MODEL : Drafts.NONE);
  }

  /** A flag that would do nothing is a mistake. */
  private void requireUse() {
    Drafts type = type();
    if (type == Drafts.NONE && most.isPresent()) {
      throw UsageException.ofFlag("--spec-draft-n-max", "--spec-type beside it", "none");
    }
    if (vocabulary.isPresent() && type != Drafts.MTP) {
      throw UsageException.ofFlag(
          "--spec-draft-vocab-size", "--spec-type draft-mtp beside it", Type.name(type));
    }
    if (leastProbable.isPresent() && type != Drafts.MTP && type != Drafts.MODEL) {
      throw UsageException.ofFlag(
          "--spec-draft-p-min", "--spec-type draft-mtp or draft-simple beside it", Type.name(type));
    }
    if (type == Drafts.MODEL && model.isEmpty()) {
      throw UsageException.ofFlag("--spec-type draft-simple", "-md FILE beside it", "none");
    }
    if (type != Drafts.MODEL && model.isPresent()) {
      throw UsageException.ofFlag("-md", "--spec-type draft-simple beside it", Type.name(type));
    }
    if (device.isPresent() && model.isEmpty()) {
      throw UsageException.ofFlag("-devd", "-md FILE beside it", "none");
    }
  }

  /**
   * @throws UsageException if the flags contradict each other
   */
  public Speculation speculation() {
    requireUse();
    Drafts type = type();
    try {
      return switch (type) {
        case NONE -> Speculation.NONE;
        case MTP ->
            new Speculation(
                type,
                most.orElse(1),
                leastProbable.orElse(0.0),
                vocabulary.map(OptionalInt::of).orElse(OptionalInt.empty()));
        case MODEL ->
            Speculation.by(
                new DraftModel(model.orElseThrow(), device),
                most.orElse(3),
                leastProbable.orElse(0.0));
        case NGRAM -> new Speculation(type, most.orElse(8), 0);
      };
    } catch (IllegalArgumentException e) {
      throw new UsageException(Flags.in(e.getMessage()));
    }
  }

  static final class Type implements ITypeConverter<Drafts> {
    private static final Map<String, Drafts> BY_NAME =
        new TreeMap<>(
            Map.of(
                "none",
                Drafts.NONE,
                "draft-mtp",
                Drafts.MTP,
                "draft-simple",
                Drafts.MODEL,
                "ngram",
                Drafts.NGRAM));

    static String name(Drafts type) {
      return BY_NAME.entrySet().stream()
          .filter(e -> e.getValue() == type)
          .map(Map.Entry::getKey)
          .findFirst()
          .orElseThrow();
    }

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
