package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.yuzui.grammar.GrammarSource;
import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * What a request may ask of an engine beside LangChain4j's own parameters; empty is the model's
 * default.
 */
public final class YuzuiChatRequestParameters extends DefaultChatRequestParameters {
  private final Optional<Double> minP;
  private final Optional<Double> repetitionPenalty;
  private final Optional<Long> seed;
  private final Optional<Boolean> thinking;
  private final Optional<Boolean> parallelToolCalls;
  private final Optional<GrammarSource> grammar;
  private final Optional<Duration> timeout;
  private final Map<String, Object> templateVariables;

  private YuzuiChatRequestParameters(Builder builder) {
    super(builder);
    minP = builder.minP;
    repetitionPenalty = builder.repetitionPenalty;
    seed = builder.seed;
    thinking = builder.thinking;
    parallelToolCalls = builder.parallelToolCalls;
    grammar = builder.grammar;
    timeout = builder.timeout;
    templateVariables = Collections.unmodifiableMap(new HashMap<>(builder.templateVariables));
  }

  /** Tokens less probable than this share of the best one's are left out. */
  public Optional<Double> minP() {
    return minP;
  }

  /** What logits of tokens that were there are divided by; 1 is off. */
  public Optional<Double> repetitionPenalty() {
    return repetitionPenalty;
  }

  /** Of the draws: the same request makes the same answer. */
  public Optional<Long> seed() {
    return seed;
  }

  /** Whether the model thinks before it answers; for models that can do both. */
  public Optional<Boolean> thinking() {
    return thinking;
  }

  /** Whether an answer may call several tools, which it may unless this says no. */
  public Optional<Boolean> parallelToolCalls() {
    return parallelToolCalls;
  }

  /** What the answer may be, where a response format cannot say it: a choice, an expression. */
  public Optional<GrammarSource> grammar() {
    return grammar;
  }

  /** How long an answer may take from the request on, waiting included. */
  public Optional<Duration> timeout() {
    return timeout;
  }

  /** Others that the chat template may ask for, as JSON values. */
  public Map<String, Object> templateVariables() {
    return templateVariables;
  }

  @Override
  public YuzuiChatRequestParameters overrideWith(ChatRequestParameters that) {
    return builder().overrideWith(this).overrideWith(that).build();
  }

  @Override
  public YuzuiChatRequestParameters defaultedBy(ChatRequestParameters that) {
    return builder().overrideWith(that).overrideWith(this).build();
  }

  @Override
  public boolean equals(Object other) {
    return super.equals(other)
        && other instanceof YuzuiChatRequestParameters that
        && minP.equals(that.minP)
        && repetitionPenalty.equals(that.repetitionPenalty)
        && seed.equals(that.seed)
        && thinking.equals(that.thinking)
        && parallelToolCalls.equals(that.parallelToolCalls)
        && grammar.equals(that.grammar)
        && timeout.equals(that.timeout)
        && templateVariables.equals(that.templateVariables);
  }

  @Override
  public int hashCode() {
    return Objects.hash(
        super.hashCode(),
        minP,
        repetitionPenalty,
        seed,
        thinking,
        parallelToolCalls,
        grammar,
        timeout,
        templateVariables);
  }

  @Override
  public String toString() {
    return "YuzuiChatRequestParameters{"
        + super.toString()
        + ", minP="
        + minP
        + ", repetitionPenalty="
        + repetitionPenalty
        + ", seed="
        + seed
        + ", thinking="
        + thinking
        + ", parallelToolCalls="
        + parallelToolCalls
        + ", grammar="
        + grammar
        + ", timeout="
        + timeout
        + ", templateVariables="
        + templateVariables
        + '}';
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Collects them. */
  public static final class Builder extends DefaultChatRequestParameters.Builder<Builder> {
    private Optional<Double> minP = Optional.empty();
    private Optional<Double> repetitionPenalty = Optional.empty();
    private Optional<Long> seed = Optional.empty();
    private Optional<Boolean> thinking = Optional.empty();
    private Optional<Boolean> parallelToolCalls = Optional.empty();
    private Optional<GrammarSource> grammar = Optional.empty();
    private Optional<Duration> timeout = Optional.empty();
    private final Map<String, Object> templateVariables = new HashMap<>();

    private Builder() {}

    @Override
    public Builder overrideWith(ChatRequestParameters parameters) {
      super.overrideWith(parameters);
      if (parameters instanceof YuzuiChatRequestParameters more) {
        minP = more.minP.or(() -> minP);
        repetitionPenalty = more.repetitionPenalty.or(() -> repetitionPenalty);
        seed = more.seed.or(() -> seed);
        thinking = more.thinking.or(() -> thinking);
        parallelToolCalls = more.parallelToolCalls.or(() -> parallelToolCalls);
        grammar = more.grammar.or(() -> grammar);
        timeout = more.timeout.or(() -> timeout);
        templateVariables.putAll(more.templateVariables);
      }
      return this;
    }

    public Builder minP(double value) {
      minP = Optional.of(value);
      return this;
    }

    public Builder repetitionPenalty(double value) {
      repetitionPenalty = Optional.of(value);
      return this;
    }

    public Builder seed(long value) {
      seed = Optional.of(value);
      return this;
    }

    public Builder thinking(boolean thinks) {
      thinking = Optional.of(thinks);
      return this;
    }

    public Builder parallelToolCalls(boolean several) {
      parallelToolCalls = Optional.of(several);
      return this;
    }

    public Builder grammar(GrammarSource source) {
      grammar = Optional.of(source);
      return this;
    }

    public Builder timeout(Duration limit) {
      timeout = Optional.of(limit);
      return this;
    }

    public Builder templateVariables(Map<String, Object> variables) {
      templateVariables.putAll(variables);
      return this;
    }

    @Override
    public YuzuiChatRequestParameters build() {
      return new YuzuiChatRequestParameters(this);
    }
  }
}
