package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import java.util.Arrays;
import java.util.List;

/**
 * A sequence driven by hand, token by token, for measurements; {@link Engine#generate} is what
 * makes text. Shares the device with it. Used by one thread at a time. Once the engine is closed
 * nothing can be done with it; it may be closed before or after.
 */
public final class Session implements AutoCloseable {
  private final SharedModel model;
  private final Sequence sequence;
  private final Runnable wake;

  /**
   * @param wake tells those who wait that there may be room now
   */
  Session(SharedModel model, Sequence sequence, Runnable wake) {
    this.model = model;
    this.sequence = sequence;
    this.wake = wake;
  }

  /** Tokens in the cache. */
  public int length() {
    return sequence.length();
  }

  /** Appends tokens without asking for logits. */
  public void prefill(int[] tokens) {
    model.requireRoom(sequence.length(), tokens.length);
    int chunk = model.runner().maxTokens();
    for (int from = 0; from < tokens.length; from += chunk) {
      int[] part = Arrays.copyOfRange(tokens, from, Math.min(from + chunk, tokens.length));
      try (var _ = model.hold()) {
        model.runner().run(List.of(new Chunk(sequence, part, Outputs.NONE)));
      }
    }
  }

  /** Appends a prompt, at least one token, and gives the greedy successor. */
  public int firstToken(int[] prompt) {
    model.requireRoom(sequence.length(), prompt.length);
    int chunk = model.runner().maxTokens();
    int last = (prompt.length - 1) / chunk * chunk;
    prefill(Arrays.copyOf(prompt, last));
    return next(Arrays.copyOfRange(prompt, last, prompt.length));
  }

  /** Appends one token and gives the greedy successor. */
  public int decodeStep(int token) {
    return next(new int[] {token});
  }

  private int next(int[] tokens) {
    model.requireRoom(sequence.length(), tokens.length);
    List<Chunk> chunk = List.of(new Chunk(sequence, tokens, Outputs.LAST));
    try (var _ = model.hold()) {
      model.runner().run(chunk, 1);
      return model.runner().greedy()[0];
    }
  }

  /**
   * Appends tokens, at most {@link Engine#OBSERVED_TOKENS}, op by op, and shows what the model
   * makes of each: logits of all of them included.
   */
  public void observe(int[] tokens, Observer observer) {
    model.requireRoom(sequence.length(), tokens.length);
    List<Chunk> chunk = List.of(new Chunk(sequence, tokens, Outputs.ALL));
    try (var _ = model.hold()) {
      model.runner().observe(chunk, observer);
    }
  }

  /**
   * Shows what the MTP layer makes of the states that the last {@link #observe} left.
   *
   * @param start length of the sequence before it
   * @param next the tokens behind those observed; may be one shorter, whose last state is then left
   *     out
   */
  public void observeMtp(int start, int[] next, Observer observer) {
    try (var _ = model.hold()) {
      model.runner().observeMtp(sequence, start, next, observer);
    }
  }

  /**
   * Where the session is, to come back to it later by {@link #reset}; needed for models that keep
   * rows of their last tokens, which {@link #truncate} takes back only few of.
   */
  public Mark mark() {
    try (var _ = model.hold()) {
      return new Mark(sequence.mark());
    }
  }

  /** A place in a session. */
  public record Mark(Sequence.Mark sequence) {}

  /** Forgets the tokens behind a mark of this session. */
  public void reset(Mark mark) {
    try (var _ = model.hold()) {
      sequence.reset(mark.sequence());
    }
    wake.run();
  }

  /**
   * Forgets the tokens from {@code length} on.
   *
   * @throws EngineException if the model keeps rows of its last tokens and these are too many
   */
  public void truncate(int length) {
    if (length <= sequence.length() && !sequence.canTruncate(length)) {
      throw new EngineException(
          "truncate to %d of %d tokens: %s keeps what it needs of its last tokens alone; come back to a mark that was made there"
              .formatted(length, sequence.length(), model.model().config().name()));
    }
    try (var _ = model.hold()) {
      sequence.truncate(length);
    }
    wake.run();
  }

  /**
   * Counts {@code tokens} more as read without reading them: attention looks at whatever lies in
   * their pages, so {@link Engine#fillCache} first. For measurements far into a context, which
   * would take long to read.
   */
  public void assume(int tokens) {
    model.requireRoom(sequence.length(), tokens);
    try (var _ = model.hold()) {
      sequence.reserve(tokens);
      sequence.advance(tokens);
    }
  }

  Sequence sequence() {
    return sequence;
  }

  @Override
  public void close() {
    model.giveBack(sequence::close);
    wake.run();
  }
}
