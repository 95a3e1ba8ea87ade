package dev.yuzui.engine.schedule;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationPromise;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Token;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.engine.draft.DraftText;
import dev.yuzui.engine.draft.NgramProposer;
import dev.yuzui.grammar.Grammar;
import dev.yuzui.grammar.GrammarException;
import dev.yuzui.model.Step;
import dev.yuzui.sampling.Sampler;
import dev.yuzui.sampling.SamplingScratch;
import dev.yuzui.spi.Ops;
import dev.yuzui.text.StopStrings;
import dev.yuzui.text.TextStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.IntPredicate;
import java.util.function.Supplier;

/**
 * A request on its way through the engine: the tokens it has, of which its sequence holds the
 * first, and the text made of them. What its sequence lacks is pending; once that is one token, or
 * none but what was just sampled, it makes text. Losing the sequence loses nothing else. Used by
 * the engine's thread.
 */
public final class Request implements Scheduler.Entry {
  /** Of forced text: fewer than what a prompt's form of attention takes. */
  private static final int MOST_FORCED = Step.PREFILL_TOKENS - 2;

  private static final int FORCED_TRIALS = 16;

  private final long order;
  private final GenerateRequest request;
  private final GenerationPromise promise;
  private final GenerationListener listener;
  private final int limit;
  private final int promptLength;
  private final IntPredicate ends;
  private final Optional<TextStream> stream;
  private final StopStrings stops;
  private final StringBuilder text = new StringBuilder();
  private final RequestTimes times;
  private final List<Request> siblings = new ArrayList<>();
  private final DraftText draftText = new DraftText();
  private int[] tokens;
  private int count;
  private int told;
  private int[] drafts = {};
  private Optional<NgramProposer> ngrams = Optional.empty();
  private int ngramTokens;
  private int drafted;
  private int draftTokens;
  private int acceptedTokens;
  private final List<TokenLogprobs> logprobs = new ArrayList<>();
  private Optional<Constrained> constraint = Optional.empty();
  private boolean draftsForced;
  private int forcedTried;
  private int forcedRight;
  private int promptHeld;
  private Optional<Sampler> sampler = Optional.empty();
  private Optional<Sequence> sequence = Optional.empty();
  private boolean over;

  /**
   * @param room tokens it may have at most
   * @param ends whether a token ends a text
   * @param stream empty where there is no vocabulary: text is empty then
   */
  public Request(
      long order,
      GenerateRequest request,
      GenerationPromise promise,
      GenerationListener listener,
      int room,
      IntPredicate ends,
      Optional<TextStream> stream) {
    this.order = order;
    this.request = request;
    this.promise = promise;
    this.listener = listener;
    this.ends = ends;
    this.stream = stream;
    stops = new StopStrings(request.stop());
    tokens = request.prompt().stream().mapToInt(Integer::intValue).toArray();
    count = tokens.length;
    told = count;
    promptLength = tokens.length;
    int most = room - promptLength;
    limit = request.maxTokens() < 0 ? most : Math.min(request.maxTokens(), most);
    times = new RequestTimes(request.timeout());
  }

  /** Holds the answer to what the request asked for; before it is submitted. */
  public void constrain(Grammar grammar) {
    constraint = request.constraint().map(what -> new Constrained(grammar, what.begin()));
  }

  /** Whether {@code token} may come next. */
  boolean accepts(int token) {
    return constraint.isEmpty() || following(constraint.get(), c -> c.accepts(token));
  }

  /**
   * The tokens that may come next, a bit each; asked of a request that refused one.
   *
   * @throws EngineException if there is none
   */
  long[] mask() {
    Constrained held = constraint.orElseThrow();
    long[] mask = following(held, Constrained::mask);
    if (Arrays.stream(mask).allMatch(word -> word == 0)) {
      throw new EngineException(
          "the grammar of the answer: the vocabulary has no token that goes on from here, where "
              + held.wanted()
              + " must follow");
    }
    return mask;
  }

  /** Whether nothing may follow, not even the end. */
  boolean complete() {
    return constraint.isPresent() && constraint.get().complete();
  }

  /** What goes wrong with a grammar is the request's own fault. */
  private static <T> T following(Constrained held, Function<Constrained, T> ask) {
    try {
      return ask.apply(held);
    } catch (GrammarException e) {
      throw new EngineException("the grammar of the answer: " + e.getMessage());
    }
  }

  @Override
  public long order() {
    return order;
  }

  @Override
  public int pending() {
    return known() + drafts.length;
  }

  /**
   * Of a prompt no more than to the last end of a page, where the cache keeps more than pages: what
   * it is there is what lets others begin with it.
   */
  @Override
  public int share(int left) {
    int most = Math.min(pending(), left);
    if (sequence.filter(Sequence::hasRings).isEmpty() || decoding()) {
      return most;
    }
    int size = sequence.orElseThrow().pageTokens();
    int end = (held() + known() - 1) / size * size - held();
    return end > 0 && end < most ? end : most;
  }

  /** Of the pending tokens, those that are no drafts. */
  int known() {
    return count - held();
  }

  @Override
  public boolean decoding() {
    return count > promptLength && known() == 1;
  }

  /** Tokens its sequence holds. */
  private int held() {
    return sequence.map(Sequence::length).orElse(0);
  }

  public Generation generation() {
    return promise.generation();
  }

  public GenerationPromise promise() {
    return promise;
  }

  /** When its time is up, in {@link System#nanoTime}. */
  public OptionalLong deadline() {
    return times.deadline();
  }

  RequestTimes times() {
    return times;
  }

  int promptLength() {
    return promptLength;
  }

  /** Tokens told. */
  int made() {
    return told - promptLength;
  }

  /** Tokens sampled. */
  int sampled() {
    return count - promptLength;
  }

  /** Answers to the same prompt that wait for it to be read. */
  List<Request> siblings() {
    return siblings;
  }

  boolean over() {
    return over;
  }

  void setOver() {
    over = true;
    sampler = Optional.empty(); // it may have arrays as long as the vocabulary
    draftText.publish(tokens());
    draftText.close();
  }

  Optional<Sequence> sequence() {
    return sequence;
  }

  void hold(Sequence mine) {
    sequence = Optional.of(mine);
  }

  void letGo() {
    sequence = Optional.empty();
    setDrafts(new int[0]);
  }

  int count() {
    return count;
  }

  /** All tokens so far. */
  int[] tokens() {
    return tokens(0, count);
  }

  int[] tokens(int from, int to) {
    return Arrays.copyOfRange(tokens, from, Math.min(to, count));
  }

  /** The first {@code n} pending tokens. */
  int[] pending(int n) {
    int[] out = Arrays.copyOfRange(tokens, held(), held() + n);
    int sure = Math.min(n, known());
    System.arraycopy(drafts, 0, out, sure, n - sure);
    return out;
  }

  int[] drafts() {
    return drafts;
  }

  /** Guesses of what it will sample next, up to the first that it must not. */
  void setDrafts(int[] guesses) {
    draftsForced = false;
    drafts = guesses;
    if (guesses.length > 0 && constraint.isPresent()) {
      drafts = guessed(c -> c.accepted(guesses));
    }
  }

  /**
   * Where a grammar leaves one way to go on, that is the best of guesses, whoever else made some:
   * steps are saved, and the text is what it would be without. Not where the model mostly spells
   * such texts with other tokens.
   */
  void draftForced() {
    if (constraint.isEmpty() || !mayDraft() || !decoding()) {
      return;
    }
    if (forcedTried >= FORCED_TRIALS && 2 * forcedRight < forcedTried) {
      return;
    }
    int[] forced = guessed(c -> c.forced(Math.min(MOST_FORCED, room() - 1)));
    if (forced.length > drafts.length) {
      drafts = forced;
      draftsForced = true;
    }
  }

  private int[] guessed(Function<Constrained, int[]> make) {
    try {
      return make.apply(constraint.orElseThrow());
    } catch (GrammarException _) {
      return new int[0]; // said when a token is drawn
    }
  }

  boolean draftsForced() {
    return draftsForced;
  }

  /** Whether guesses may be made for it. */
  boolean mayDraft() {
    return request.drafts();
  }

  void countDrafts(int tried, int accepted) {
    drafted++;
    draftTokens += tried;
    acceptedTokens += accepted;
    if (draftsForced) {
      forcedTried += tried;
      forcedRight += accepted;
    } else {
      ngrams.ifPresent(proposer -> proposer.checked(tried, accepted));
    }
  }

  /** Of all its tokens. */
  NgramProposer ngrams(Supplier<NgramProposer> make) {
    NgramProposer drafter = ngrams.orElseGet(make);
    ngrams = Optional.of(drafter);
    drafter.append(tokens(ngramTokens, count));
    ngramTokens = count;
    return drafter;
  }

  /** What a draft model has of it. */
  DraftText draftText() {
    return draftText;
  }

  /** So many of a row's best logits decide its draws; 0: all of them. */
  int candidates() {
    int wanted = request.sampling().candidates();
    return wanted <= Ops.MAX_TOP_K ? wanted : 0;
  }

  /**
   * Only requests that have begun have one: what it counts may be as large as the vocabulary.
   *
   * @throws IllegalArgumentException if the request's parameters do not suit the vocabulary
   */
  Sampler sampler(SamplingScratch scratch) {
    if (sampler.isEmpty()) {
      sampler =
          Optional.of(
              new Sampler(request.sampling(), scratch, Arrays.copyOf(tokens, promptLength)));
    }
    return sampler.get();
  }

  /** Tells how much of the prompt has been read, the first time. */
  void tellPrompt() {
    if (held() > promptHeld && promptHeld < promptLength) {
      promptHeld = Math.min(held(), promptLength);
      tell(() -> listener.prompt(promptHeld, promptLength));
    }
  }

  /** Tokens it may still sample. */
  int room() {
    return limit - sampled();
  }

  /** Whether each token's probability is to be told. */
  boolean wantsLogprobs() {
    return request.logprobs().isPresent();
  }

  /**
   * Before the token is appended.
   *
   * @param logits of its place
   */
  void tellLogprobs(float[] logits, int token) {
    logprobs.add(TokenLogprobs.of(logits, token, request.logprobs().orElseThrow()));
  }

  /** Adds a sampled token. */
  void append(int token) {
    if (count == tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(64, 2 * count));
    }
    tokens[count++] = token;
    constraint.ifPresent(held -> held.accept(token));
  }

  /**
   * Tells what tokens were sampled and what they make of the text; why that is the end, if it is.
   * What was sampled behind the end is dropped.
   */
  Optional<FinishReason> tellTokens() {
    Optional<FinishReason> finish = Optional.empty();
    while (told < count && finish.isEmpty()) {
      finish = tell(tokens[told++]);
    }
    return finish;
  }

  private Optional<FinishReason> tell(int token) {
    boolean end = (!request.ignoreEos() || constraint.isPresent()) && ends.test(token);
    String piece = end ? "" : stops.push(stream.map(s -> s.push(token)).orElse(""));
    Optional<FinishReason> finish =
        end || stops.stopped() || (told == count && complete())
            ? Optional.of(FinishReason.STOP)
            : told - promptLength < limit ? Optional.empty() : Optional.of(FinishReason.LENGTH);
    if (finish.isPresent() && !stops.stopped()) {
      piece += stops.push(stream.map(TextStream::finish).orElse(""));
      piece += stops.finish(); // what never became a stop text
    }
    text.append(piece);
    Token next = new Token(token, piece);
    promise.add(next);
    if (wantsLogprobs()) {
      TokenLogprobs known = logprobs.get(told - 1 - promptLength);
      tell(() -> listener.logprobs(known));
    }
    tell(() -> listener.token(token, next.text()));
    return finish;
  }

  private static void tell(Runnable listening) {
    try {
      listening.run();
    } catch (Throwable e) {
      throw new EngineException("the request's listener failed: " + e, e);
    }
  }

  public GenerationResult result(FinishReason finish) {
    List<Integer> made = Arrays.stream(tokens, promptLength, told).boxed().toList();
    return new GenerationResult(
        text.toString(),
        made,
        List.copyOf(logprobs.subList(0, Math.min(logprobs.size(), made.size()))),
        finish,
        stops.found(),
        times.timings(promptHeld, made.size()),
        new GenerationResult.Speculative(drafted, draftTokens, acceptedTokens));
  }
}
