package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint.GenerationDefaults;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine.Option;

/**
 * How tokens are drawn. What is not given comes from the model's publisher, else from {@link
 * SamplingParams#DEFAULT}.
 */
public final class SamplingOptions {
  private static final List<String> DRY_BREAKERS = List.of("\n", ":", "\"", "*");

  @Option(
      names = {"--temp", "--temperature"},
      paramLabel = "T",
      converter = Ranges.Decimal.class,
      description = "Temperature; 0 takes the most probable token.")
  private Optional<Double> temperature = Optional.empty();

  @Option(
      names = "--top-k",
      paramLabel = "K",
      converter = Ranges.Count.class,
      description = "Keep the K most probable tokens; 0 keeps all.")
  private Optional<Integer> topK = Optional.empty();

  @Option(
      names = "--top-p",
      paramLabel = "P",
      converter = Ranges.Decimal.class,
      description = "Keep the most probable tokens that reach P together; 1 keeps all.")
  private Optional<Double> topP = Optional.empty();

  @Option(
      names = "--min-p",
      paramLabel = "P",
      converter = Ranges.Decimal.class,
      description = "Keep tokens at least P times as probable as the best; 0 keeps all.")
  private Optional<Double> minP = Optional.empty();

  @Option(
      names = {"--typical-p", "--typical"},
      paramLabel = "P",
      converter = Ranges.Decimal.class,
      description = "Keep the tokens of most typical surprise that reach P together; 1 keeps all.")
  private Optional<Double> typicalP = Optional.empty();

  @Option(
      names = "--repeat-penalty",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      description = "Make recent tokens X times less likely; 1 is off.")
  private Optional<Double> repeatPenalty = Optional.empty();

  @Option(
      names = "--repeat-last-n",
      paramLabel = "N",
      converter = Ranges.Limit.class,
      description =
          "Tokens the penalties look back, into the prompt too; -1 is all, 0 is off (default: 64)."
              + " Requests in OpenAI's form have no such window: presence and frequency penalties"
              + " count all of the answer and nothing of the prompt, the repeat penalty both.")
  private Optional<Integer> repeatLastN = Optional.empty();

  @Option(
      names = "--presence-penalty",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      description = "Taken from the logit of each recent token; 0 is off.")
  private Optional<Double> presencePenalty = Optional.empty();

  @Option(
      names = "--frequency-penalty",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      description = "As the presence penalty, for each time the token occurs.")
  private Optional<Double> frequencyPenalty = Optional.empty();

  @Option(
      names = "--dry-multiplier",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      description = "Strength of the DRY penalty on repeated sequences; 0 is off.")
  private Optional<Double> dryMultiplier = Optional.empty();

  @Option(
      names = "--dry-base",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      description = "Growth of the DRY penalty with each repeated token (default: 1.75).")
  private Optional<Double> dryBase = Optional.empty();

  @Option(
      names = "--dry-allowed-length",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Repeated tokens DRY lets pass (default: 2).")
  private Optional<Integer> dryAllowedLength = Optional.empty();

  @Option(
      names = "--dry-penalty-last-n",
      paramLabel = "N",
      converter = Ranges.Limit.class,
      description = "Tokens DRY looks back; -1 is all, 0 is off (default: -1).")
  private Optional<Integer> dryLastN = Optional.empty();

  @Option(
      names = "--dry-sequence-breaker",
      paramLabel = "TEXT",
      description =
          "No repetition reaches across it; repeatable (default: newline, colon, quote, star).")
  private List<String> dryBreakers = List.of();

  @Option(
      names = {"-l", "--logit-bias"},
      paramLabel = "ID(+|-)BIAS",
      converter = Ranges.LogitBias.class,
      description = "Add to a token's logit: 15043+1, 15043-inf; repeatable.")
  private List<Ranges.LogitBias.Entry> logitBias = List.of();

  @Option(
      names = {"-s", "--seed"},
      paramLabel = "N",
      converter = Ranges.Seed.class,
      description = "Same seed, same text; -1 takes a random one.")
  private Optional<Long> seed = Optional.empty();

  @Option(names = "--ignore-eos", description = "Go on past the model's end token.")
  private boolean ignoreEos;

  @Option(
      names = {"--stop", "-r", "--reverse-prompt"},
      paramLabel = "TEXT",
      description = "Stop before this text; repeatable.")
  private List<String> stop = List.of();

  public boolean ignoreEos() {
    return ignoreEos;
  }

  public List<String> stop() {
    return stop;
  }

  /** Complains about values out of range, before a model is loaded for them. */
  public void validate() {
    merged(SamplingParams.DEFAULT, Set.of());
    if (stop.contains("")) {
      throw UsageException.ofFlag("--stop", "a text", "an empty one");
    }
  }

  /** Complains about tokens that the model has not got. */
  public void validate(int vocabulary) {
    logitBias.stream()
        .filter(entry -> entry.id() >= vocabulary)
        .findFirst()
        .ifPresent(
            entry -> {
              throw UsageException.ofFlag(
                  "--logit-bias",
                  "ids below the vocabulary's " + vocabulary,
                  String.valueOf(entry.id()));
            });
  }

  /**
   * @param tokenizer asked for only where token ids have to be found
   */
  public SamplingParams params(GenerationDefaults publisher, Supplier<Tokenizer> tokenizer) {
    SamplingParams base = SamplingParams.DEFAULT;
    base = base.withTemperature(publisher.temperature().orElse(base.temperature()));
    base = base.withTopK(publisher.topK().orElse(base.topK()));
    base = base.withTopP(publisher.topP().orElse(base.topP()));
    base = base.withMinP(publisher.minP().orElse(base.minP()));
    base =
        base.withPenalties(
            publisher.repetitionPenalty().orElse(base.penalties().repeat()),
            base.penalties().lastN(),
            base.penalties().presence(),
            base.penalties().frequency());
    boolean dry = dryMultiplier.orElse(0.0) > 0;
    return merged(base, dry ? breakerIds(tokenizer.get()) : Set.of());
  }

  private SamplingParams merged(SamplingParams base, Set<Integer> breakers) {
    try {
      SamplingParams params =
          base.withTemperature(temperature.orElse(base.temperature()))
              .withTopK(topK.orElse(base.topK()))
              .withTopP(topP.orElse(base.topP()))
              .withMinP(minP.orElse(base.minP()))
              .withTypicalP(typicalP.orElse(base.typicalP()))
              .withPenalties(
                  repeatPenalty.orElse(base.penalties().repeat()),
                  repeatLastN.orElse(base.penalties().lastN()),
                  presencePenalty.orElse(base.penalties().presence()),
                  frequencyPenalty.orElse(base.penalties().frequency()))
              .withDry(
                  new SamplingParams.Dry(
                      dryMultiplier.orElse(base.dry().multiplier()),
                      dryBase.orElse(base.dry().base()),
                      dryAllowedLength.orElse(base.dry().allowedLength()),
                      dryLastN.orElse(base.dry().lastN()),
                      breakers));
      Map<Integer, Float> bias = new HashMap<>();
      logitBias.forEach(entry -> bias.merge(entry.id(), entry.bias(), Float::sum));
      params = params.withLogitBias(bias);
      return seed.map(params::withSeed).orElse(params);
    } catch (IllegalArgumentException e) {
      throw new UsageException(Flags.in(e.getMessage()));
    }
  }

  /** Every token whose text holds a breaker. */
  private Set<Integer> breakerIds(Tokenizer tokenizer) {
    List<String> breakers = dryBreakers.isEmpty() ? DRY_BREAKERS : dryBreakers;
    Set<Integer> ids = new HashSet<>();
    for (int id = 0; id < tokenizer.size(); id++) {
      String text = new String(tokenizer.bytes(id), StandardCharsets.UTF_8);
      if (breakers.stream().anyMatch(text::contains)) {
        ids.add(id);
      }
    }
    return ids;
  }
}
