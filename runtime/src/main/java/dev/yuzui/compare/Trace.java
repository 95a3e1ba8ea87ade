package dev.yuzui.compare;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.Point;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/** What a backend computed for a prompt and the tokens it made of it: what others are held to. */
public final class Trace {
  /**
   * @param next the token behind each
   */
  record Step(Phase phase, int[] tokens, int[] next) {}

  private record Key(int step, int layer, Point point) {}

  private final List<Step> steps = new ArrayList<>();
  private final Map<Key, float[]> values = new HashMap<>();

  private Trace() {}

  /**
   * Reads {@code prompt} and makes {@code decoded} tokens, the best each time; with the MTP layers
   * of the checkpoint.
   */
  public static Trace of(Engine engine, int[] prompt, int decoded) {
    Trace trace = new Trace();
    try (Session session = engine.newSession()) {
      int chunk = Math.min(Engine.OBSERVED_TOKENS, engine.batchTokens());
      int next = 0;
      for (int from = 0; from < prompt.length; from += chunk) {
        int to = Math.min(prompt.length, from + chunk);
        int[] tokens = Arrays.copyOfRange(prompt, from, to);
        next = trace.record(engine, session, Phase.PROMPT, tokens, prompt, to);
      }
      for (int i = 0; i < decoded; i++) {
        next = trace.record(engine, session, Phase.DECODE, new int[] {next}, prompt, prompt.length);
      }
    }
    return trace;
  }

  /** Gives the best token behind {@code tokens}, which end before {@code to}. */
  private int record(
      Engine engine, Session session, Phase phase, int[] tokens, int[] prompt, int to) {
    int step = steps.size();
    int start = session.length();
    Observer observer = (layer, point, v) -> values.put(new Key(step, layer, point), v.read());
    session.observe(tokens, observer);
    float[] logits = at(step, engine.config().layers() - 1, Point.LOGITS);
    int vocab = engine.config().vocabSize();
    int best = Logits.best(logits, logits.length - vocab, logits.length);
    int[] next = new int[tokens.length];
    System.arraycopy(tokens, 1, next, 0, tokens.length - 1);
    next[tokens.length - 1] = to < prompt.length ? prompt[to] : best;
    if (engine.config().mtpLayers() > 0) {
      session.observeMtp(start, next, observer);
    }
    steps.add(new Step(phase, tokens, next));
    return best;
  }

  /** Takes another engine through the same steps. */
  void follow(Engine engine, IntFunction<Observer> ofStep) {
    try (Session session = engine.newSession()) {
      for (int i = 0; i < steps.size(); i++) {
        Step step = steps.get(i);
        int start = session.length();
        Observer observer = ofStep.apply(i);
        session.observe(step.tokens(), observer);
        if (engine.config().mtpLayers() > 0) {
          session.observeMtp(start, step.next(), observer);
        }
      }
    }
  }

  /** Tokens before a step. */
  int start(int index) {
    return steps.subList(0, index).stream().mapToInt(s -> s.tokens().length).sum();
  }

  Step step(int index) {
    return steps.get(index);
  }

  boolean has(int step, int layer, Point point) {
    return values.containsKey(new Key(step, layer, point));
  }

  float[] at(int step, int layer, Point point) {
    return values.get(new Key(step, layer, point));
  }

  public int tokens(Phase phase) {
    return steps.stream().filter(s -> s.phase() == phase).mapToInt(s -> s.tokens().length).sum();
  }

  /** Whether every logit is a number; others cannot be held to what is none. */
  public boolean isFinite() {
    return values.entrySet().stream()
        .filter(entry -> entry.getKey().point() == Point.LOGITS)
        .allMatch(entry -> Logits.areFinite(entry.getValue()));
  }

  int[] promptTokens() {
    return steps.stream()
        .filter(s -> s.phase() == Phase.PROMPT)
        .flatMapToInt(s -> Arrays.stream(s.tokens()))
        .toArray();
  }
}
