package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.StepRunner.Chunk;
import dev.yuzui.engine.StepRunner.Outputs;
import dev.yuzui.sampling.Sampler;
import dev.yuzui.spi.Ops;
import dev.yuzui.text.StopStrings;
import dev.yuzui.text.TextStream;
import dev.yuzui.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * One sequence's cache, kept between generations: a prompt that begins with what the session
 * already holds is read from where they differ. Used by one thread at a time.
 */
public final class Session implements AutoCloseable {
  private final Engine engine;
  private final Sequence sequence;
  private final float[] logits;
  private int[] held = new int[64];

  Session(Engine engine, Sequence sequence) {
    this.engine = engine;
    this.sequence = sequence;
    this.logits = new float[engine.config().vocabSize()];
  }

  /** Tokens in the cache. */
  public int length() {
    return sequence.length();
  }

  public void clear() {
    sequence.truncate(0);
  }

  /** Appends tokens without asking for logits. */
  public void prefill(int[] tokens) {
    append(tokens, Outputs.NONE, 0, (id, text) -> {});
  }

  /** Appends one token and gives the greedy successor. */
  public int decodeStep(int token) {
    engine.requireRoom(sequence.length(), 1);
    run(new int[] {token}, Outputs.LAST, 1);
    return engine.runner().best(0).ids()[0];
  }

  /** Forgets the tokens from {@code length} on. */
  public void truncate(int length) {
    sequence.truncate(length);
  }

  /**
   * Counts {@code tokens} more as read without reading them: attention looks at whatever lies in
   * their pages, so {@link Engine#fillCache} first. For measurements far into a context, which
   * would take long to read.
   */
  public void assume(int tokens) {
    engine.requireRoom(sequence.length(), tokens);
    sequence.reserve(tokens);
    int at = sequence.length();
    sequence.advance(tokens);
    int[] unknown = new int[tokens];
    Arrays.fill(unknown, -1);
    hold(at, unknown);
  }

  Sequence sequence() {
    return sequence;
  }

  /**
   * Reads the prompt and samples until an end token, a stop text, the limit or a cancellation.
   *
   * @throws EngineException before anything runs, if the prompt does not fit
   */
  public GenerationResult generate(GenerateRequest request, GenerationListener listener) {
    int[] prompt = request.prompt().stream().mapToInt(Integer::intValue).toArray();
    engine.requireRoom(0, prompt.length);
    int cached = Math.min(commonPrefix(prompt), prompt.length - 1);
    sequence.truncate(cached);

    int wanted = request.sampling().candidates();
    int candidates = wanted <= Ops.MAX_TOP_K ? wanted : 0;
    long start = System.nanoTime();
    boolean complete =
        append(
            Arrays.copyOfRange(prompt, cached, prompt.length), Outputs.LAST, candidates, listener);
    double promptSeconds = seconds(start);
    int read = sequence.length() - cached;
    if (!complete) {
      return new GenerationResult(
          "", List.of(), FinishReason.CANCELLED, timings(cached, read, promptSeconds, 0, 0));
    }

    Optional<Tokenizer> tokenizer = engine.findTokenizer();
    Optional<TextStream> stream = tokenizer.map(t -> new TextStream(t, true));
    StopStrings stops = new StopStrings(request.stop());
    Sampler sampler = new Sampler(request.sampling(), logits.length, prompt);
    StringBuilder text = new StringBuilder();
    List<Integer> tokens = new ArrayList<>();
    int room = engine.contextLength() - prompt.length;
    int limit = request.maxTokens() < 0 ? room : Math.min(request.maxTokens(), room);
    FinishReason finish = FinishReason.LENGTH;
    long generating = System.nanoTime();
    while (tokens.size() < limit) {
      if (listener.cancelled()) {
        finish = FinishReason.CANCELLED;
        break;
      }
      if (!tokens.isEmpty()) {
        run(new int[] {tokens.getLast()}, Outputs.LAST, candidates);
      }
      int token = draw(sampler, candidates);
      sampler.accept(token);
      tokens.add(token);
      if (!request.ignoreEos() && engine.isEnd(token)) {
        finish = FinishReason.STOP;
        break;
      }
      String piece = stops.push(stream.map(s -> s.push(token)).orElse(""));
      text.append(piece);
      listener.token(token, piece);
      if (stops.stopped()) {
        finish = FinishReason.STOP;
        break;
      }
    }
    String rest =
        stops.stopped()
            ? ""
            : stops.push(stream.map(TextStream::finish).orElse("")) + stops.finish();
    if (!rest.isEmpty()) {
      text.append(rest);
      listener.token(tokens.getLast(), rest);
    }
    return new GenerationResult(
        text.toString(),
        List.copyOf(tokens),
        finish,
        timings(cached, read, promptSeconds, Math.max(0, tokens.size() - 1), seconds(generating)));
  }

  /** By the row's candidates, if it has any; a row without is one to complain about as a whole. */
  private int draw(Sampler sampler, int candidates) {
    if (candidates > 0) {
      StepRunner.Best best = engine.runner().best(0);
      if (best.logits()[0] > Float.NEGATIVE_INFINITY) {
        return sampler.sample(best.ids(), best.logits());
      }
    }
    engine.runner().logits(0, logits);
    return sampler.sample(logits);
  }

  private static GenerationResult.Timings timings(
      int cached, int read, double promptSeconds, int predicted, double predictedSeconds) {
    return new GenerationResult.Timings(cached, read, promptSeconds, predicted, predictedSeconds);
  }

  /** Appends in chunks; false if the listener cancelled between two. */
  private boolean append(int[] tokens, Outputs last, int candidates, GenerationListener listener) {
    engine.requireRoom(sequence.length(), tokens.length);
    int chunk = engine.runner().maxTokens();
    for (int from = 0; from < tokens.length; from += chunk) {
      if (listener.cancelled()) {
        return false;
      }
      int to = Math.min(tokens.length, from + chunk);
      run(
          Arrays.copyOfRange(tokens, from, to),
          to == tokens.length ? last : Outputs.NONE,
          candidates);
      listener.prompt(to, tokens.length);
    }
    return true;
  }

  private void run(int[] tokens, Outputs outputs, int candidates) {
    int at = sequence.length();
    engine.runner().run(List.of(new Chunk(sequence, tokens, outputs)), candidates);
    hold(at, tokens);
  }

  /** Remembers which tokens the entries from {@code at} on belong to. */
  void hold(int at, int[] tokens) {
    if (at + tokens.length > held.length) {
      held = Arrays.copyOf(held, Math.max(at + tokens.length, 2 * held.length));
    }
    System.arraycopy(tokens, 0, held, at, tokens.length);
  }

  private int commonPrefix(int[] prompt) {
    int limit = Math.min(prompt.length, sequence.length());
    int differs = Arrays.mismatch(prompt, 0, limit, held, 0, limit);
    return differs < 0 ? limit : differs;
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) * 1e-9;
  }

  @Override
  public void close() {
    sequence.close();
  }
}
