package dev.yuzui.engine;

import dev.yuzui.cache.LatentCacheStore;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.StepInputs.Rows;
import dev.yuzui.model.DeepseekModel;
import dev.yuzui.model.Point;
import dev.yuzui.model.Step;
import dev.yuzui.model.Step.AttentionForm;
import dev.yuzui.model.Tap;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Runs steps: several sequences with several tokens each. Fills the {@link StepInputs}, replays the
 * recording of the step's shape (recording it the first time) and reads back the logits that were
 * asked for. Not thread-safe.
 */
final class StepRunner implements Steps, AutoCloseable {
  /** Rows of logits of one step at most: they are wide. */
  static final int MAX_OUTPUTS = 64;

  /** So many of a row's logits are picked at least, when it is more than one: few recordings. */
  private static final int BEST = 64;

  /** From this many tokens of one sequence on, a step counts as reading a prompt. */
  static final int PREFILL_TOKENS = 16;

  private static final int MAX_RECORDINGS = 64;

  /** Which rows of a chunk's logits are wanted. */
  enum Outputs {
    NONE,
    LAST,
    ALL;

    /** Of a chunk of {@code tokens} tokens. */
    int count(int tokens) {
      return switch (this) {
        case NONE -> 0;
        case LAST -> 1;
        case ALL -> tokens;
      };
    }
  }

  /** Tokens that a sequence appends in a step. */
  record Chunk(Sequence sequence, int[] tokens, Outputs outputs) {
    int outputCount() {
      return outputs.count(tokens.length);
    }
  }

  /**
   * The best logits of a row, best first, ties to the lower token. NaN is given as −∞.
   *
   * @param ids their tokens
   */
  record Best(int[] ids, float[] logits) {}

  /** Which layers a step runs, and what they start from. */
  private enum Pass {
    MAIN,
    /** The MTP layer, from states of the main model. */
    MTP,
    /** The MTP layer, from states it left itself. */
    CHAINED
  }

  /**
   * What a recording depends on.
   *
   * @param some whether a pass that goes on with the wanted rows alone leaves others behind
   * @param best of each row of logits that are picked; 0 picks none
   */
  private record Shape(
      Pass pass, int tokens, int outputs, boolean some, AttentionForm form, int best) {}

  private final Backend backend;
  private final DeviceQueue queue;
  private final DeepseekModel model;
  private final LatentCacheStore cache;
  private final int maxTokens;
  private final int vocab;
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final Arena arena = Arena.ofShared();
  private final Map<Shape, DeviceQueue.Recording> recordings = new LinkedHashMap<>(16, 0.75f, true);

  private final StepInputs inputs;
  private final Tensor hidden;
  private final Tensor mtpHidden;
  private final Tensor logits;
  private final MemorySegment logitsRow;
  private final Tensor best;
  private final MemorySegment bestStaging;
  private int bestOfLast;
  private int outputsOfLast;
  private int wantedOfLast;
  private boolean bestRead;

  StepRunner(Backend backend, DeepseekModel model, LatentCacheStore cache, int batchTokens) {
    this.backend = backend;
    this.model = model;
    this.cache = cache;
    this.maxTokens = backend.capabilities().bucket(batchTokens);
    this.vocab = model.config().vocabSize();
    this.queue = backend.openQueue();
    try {
      inputs = new StepInputs(backend, cache, maxTokens, vocab, this::allocate, arena);
      hidden = allocate("hidden", Encoding.F32, maxTokens, model.config().hiddenSize());
      mtpHidden =
          model.predictors() > 0
              ? allocate("mtp_hidden", Encoding.F32, maxTokens, model.config().hiddenSize())
              : hidden;
      logits = allocate("logits", Encoding.F32, MAX_OUTPUTS, vocab);
      logitsRow = arena.allocate(4L * vocab, 64);
      best =
          allocate("best_logits", Encoding.I32, 2L * MAX_OUTPUTS, Math.min(Ops.MAX_TOP_K, vocab));
      bestStaging = arena.allocate(best.byteSize(), 64);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor allocate(String name, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), name);
    buffers.add(buffer);
    return new Tensor(name, buffer, 0, encoding, rows, cols);
  }

  @Override
  public int maxTokens() {
    return maxTokens;
  }

  /**
   * Appends the chunks to their sequences. Logits of the wanted rows are then at {@link #logits},
   * in order.
   */
  void run(List<Chunk> chunks) {
    run(chunks, 0);
  }

  /**
   * {@link #run(List)}, with the {@code candidates} best logits of each wanted row at {@link #best}
   * besides: a few numbers to read back, where a row of logits is wide.
   *
   * @param candidates at most {@link Ops#MAX_TOP_K}; 0 picks none
   */
  @Override
  public void run(List<Chunk> chunks, int candidates) {
    for (Chunk chunk : chunks) {
      chunk.sequence().reserve(chunk.tokens().length);
    }
    replay(Pass.MAIN, rows(chunks), candidates);
    for (Chunk chunk : chunks) {
      chunk.sequence().advance(chunk.tokens().length);
    }
  }

  /** {@link #run(List)}, op by op, which waits wherever {@code observer} looks. */
  void observe(List<Chunk> chunks, Observer observer) {
    for (Chunk chunk : chunks) {
      chunk.sequence().reserve(chunk.tokens().length);
    }
    observe(Pass.MAIN, rows(chunks), observer);
    for (Chunk chunk : chunks) {
      chunk.sequence().advance(chunk.tokens().length);
    }
  }

  /** {@link #runMtp(Sequence, int, int[])}, op by op. */
  void observeMtp(Sequence sequence, int start, int[] next, Observer observer) {
    observe(Pass.MTP, List.of(new Rows(sequence, start, next, Outputs.ALL, 0)), observer);
  }

  private void observe(Pass pass, List<Rows> rows, Observer observer) {
    int tokens = rows.stream().mapToInt(r -> r.tokens().length).sum();
    enqueue(
        prepare(pass, rows, 0),
        (layer, point, tensor) ->
            observer.at(layer, point, DeviceValues.of(backend, queue, tensor, tokens)));
    queue.synchronize();
  }

  /**
   * @return how many experts the rows of the step went to, for each layer that has experts
   */
  List<Integer> countExperts(List<Chunk> chunks) {
    List<Integer> counts = new ArrayList<>();
    observe(
        chunks,
        (_, point, values) -> {
          if (point == Point.EXPERT_IDS) {
            float[] ids = values.read();
            counts.add(
                (int) IntStream.range(0, ids.length).map(i -> (int) ids[i]).distinct().count());
          }
        });
    return counts;
  }

  private static List<Rows> rows(List<Chunk> chunks) {
    return chunks.stream()
        .map(c -> new Rows(c.sequence(), c.sequence().length(), c.tokens(), c.outputs(), 0))
        .toList();
  }

  /**
   * Runs the MTP layer over states that the last {@link #run} left, and writes its cache; the main
   * model's logits are gone then.
   *
   * @param rows whose sources are rows of that run, and whose tokens those that follow: row i, from
   *     the state of entry i and token i+1, predicts token i+2
   */
  void runMtp(List<Rows> rows, int candidates) {
    replay(Pass.MTP, rows, candidates);
  }

  /**
   * {@link #runMtp} over states that the MTP layer itself left, for a draft behind a draft. Entries
   * from the sequence's length on must be {@linkplain Sequence#reserve reserved}.
   *
   * @param rows whose sources are outputs of the last runMtp or chainMtp
   */
  void chainMtp(List<Rows> rows, int candidates) {
    replay(Pass.CHAINED, rows, candidates);
  }

  /**
   * {@link #runMtp} with all logits, after a run of one chunk that began at {@code start}.
   *
   * @param next may be one shorter than the chunk, whose last state is then left out
   */
  void runMtp(Sequence sequence, int start, int[] next) {
    runMtp(List.of(new Rows(sequence, start, next, Outputs.ALL, 0)), 0);
  }

  private void replay(Pass pass, List<Rows> all, int candidates) {
    Shape shape = prepare(pass, all, candidates);
    DeviceQueue.Recording recording = recordings.get(shape);
    if (recording == null) {
      recording = queue.record(() -> enqueue(shape, Tap.none()));
      recordings.put(shape, recording);
      if (recordings.size() > MAX_RECORDINGS) {
        var eldest = recordings.entrySet().iterator();
        eldest.next().getValue().close();
        eldest.remove();
      }
    }
    recording.replay();
    queue.synchronize();
  }

  /** Writes what varies. */
  private Shape prepare(Pass pass, List<Rows> all, int candidates) {
    int tokens = all.stream().mapToInt(r -> r.tokens().length).sum();
    int outputs = all.stream().mapToInt(r -> r.outputs().count(r.tokens().length)).sum();
    if (tokens > maxTokens || outputs > MAX_OUTPUTS) {
      throw new IllegalArgumentException(
          tokens
              + " tokens and "
              + outputs
              + " outputs exceed a step's "
              + maxTokens
              + " and "
              + MAX_OUTPUTS);
    }
    int rows = backend.capabilities().bucket(tokens);
    AttentionForm form =
        all.stream().anyMatch(r -> r.tokens().length >= PREFILL_TOKENS)
            ? AttentionForm.PREFILL
            : AttentionForm.ABSORBED;
    inputs.fill(all, rows, pass != Pass.MAIN);
    bestOfLast = outputs == 0 ? 0 : bucket(candidates);
    bestRead = false;
    wantedOfLast = outputs;
    outputsOfLast = outputs == tokens ? outputs : outputBucket(outputs, rows);
    boolean some = pass != Pass.MAIN && outputs < rows;
    return new Shape(pass, rows, outputsOfLast, some, form, bestOfLast);
  }

  /**
   * Of steps that want some of their rows: the next power of two, for each number of outputs is a
   * recording.
   */
  private static int outputBucket(int outputs, int rows) {
    int power = outputs <= 1 ? outputs : Integer.highestOneBit(outputs - 1) << 1;
    return Math.min(power, Math.min(rows, MAX_OUTPUTS));
  }

  private int bucket(int candidates) {
    int picked = candidates <= 1 ? candidates : candidates <= BEST ? BEST : Ops.MAX_TOP_K;
    return Math.min(picked, vocab);
  }

  private void enqueue(Shape shape, Tap tap) {
    int rows = shape.tokens();
    StepBatch batch = inputs.batch(rows, shape.outputs());
    Step step = new Step(queue.ops(), batch, cache, model.ropeTable(), shape.form(), tap);
    Tensor out = logits.slice("logits", 0, shape.outputs());
    switch (shape.pass()) {
      case MAIN -> model.forward(step, hidden.slice("hidden", 0, rows), out);
      case MTP -> predict(step, shape, hidden, out);
      case CHAINED -> predict(step, shape, mtpHidden, out);
    }
    if (shape.best() > 0) {
      queue.ops().topK(out, bestIds(shape), bestLogits(shape));
    }
  }

  /**
   * @param from states of which each row takes the one its source says
   */
  private void predict(Step step, Shape shape, Tensor from, Tensor out) {
    int rows = shape.tokens();
    int wanted = shape.outputs();
    Optional<StepBatch> some =
        shape.some() ? Optional.of(inputs.wanted(rows, wanted)) : Optional.empty();
    try (Scratch.Frame _ = step.ops().scratch().frame()) {
      Tensor states = step.ops().scratch().f32("mtp_states", rows, from.cols());
      step.ops().embed(from, inputs.sources(rows), states);
      model.predict(step, some, 0, states, mtpHidden.slice("mtp_hidden", 0, wanted), out);
    }
  }

  private Tensor bestIds(Shape shape) {
    return new Tensor("best_ids", best.buffer(), 0, Encoding.I32, shape.outputs(), shape.best());
  }

  /** Behind the ids, so that both are read at once. */
  private Tensor bestLogits(Shape shape) {
    return new Tensor(
        "best_logits",
        best.buffer(),
        bestIds(shape).byteSize(),
        Encoding.F32,
        shape.outputs(),
        shape.best());
  }

  /** Copies row {@code index} of the last step's logits into {@code out} [vocab]. */
  @Override
  public void logits(int index, float[] out) {
    backend.read(logits.slice("logits", index, 1), logitsRow);
    MemorySegment.copy(logitsRow, ValueLayout.JAVA_FLOAT, 0, out, 0, vocab);
  }

  /** The best token of each wanted row of the last step, which was asked for candidates. */
  int[] greedy() {
    readBest();
    int[] tokens = new int[wantedOfLast];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = bestStaging.getAtIndex(ValueLayout.JAVA_INT, (long) i * bestOfLast);
    }
    return tokens;
  }

  /** Once a step. */
  private void readBest() {
    if (bestRead) {
      return;
    }
    bestRead = true;
    int numbers = 2 * outputsOfLast * bestOfLast;
    backend.read(
        new Tensor("best", best.buffer(), 0, Encoding.I32, 1, numbers),
        bestStaging.asSlice(0, 4L * numbers));
  }

  /** The best logits of row {@code index}, as many as the last step was asked for or more. */
  @Override
  public Best best(int index) {
    readBest();
    int[] ids = new int[bestOfLast];
    float[] values = new float[bestOfLast];
    MemorySegment.copy(
        bestStaging, ValueLayout.JAVA_INT, 4L * index * bestOfLast, ids, 0, bestOfLast);
    MemorySegment.copy(
        bestStaging,
        ValueLayout.JAVA_FLOAT,
        4L * (outputsOfLast + index) * bestOfLast,
        values,
        0,
        bestOfLast);
    return new Best(ids, values);
  }

  @Override
  public void close() {
    recordings.values().forEach(DeviceQueue.Recording::close);
    recordings.clear();
    queue.close();
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
    arena.close();
  }
}
