package dev.yuzui.engine;

import dev.yuzui.cache.LatentCacheStore;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.StepRunner.Chunk;
import dev.yuzui.engine.StepRunner.Outputs;
import dev.yuzui.model.ModelLoader;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A model on a device, ready to generate. Sessions hold the sequences; steps run one at a time, so
 * an engine and its sessions are used by one thread at a time.
 */
public final class Engine implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final RuntimeOptions options;
  private final int contextLength;
  private final Backend backend;
  private final ModelLoader.Loaded loaded;
  private final LatentCacheStore cache;
  private final StepRunner runner;
  private Optional<Tokenizer> tokenizer = Optional.empty();
  private final MemoryPlan memoryPlan;
  private final double loadSeconds;
  private boolean closed;

  Engine(
      Checkpoint checkpoint,
      BackendProvider provider,
      RuntimeOptions options,
      LoadProgress progress) {
    long start = System.nanoTime();
    this.checkpoint = checkpoint;
    this.options = options;
    DeepseekConfig config = checkpoint.config();
    this.memoryPlan = MemoryPlan.of(checkpoint, provider, options);
    this.contextLength = memoryPlan.contextLength();
    if (!memoryPlan.fits()) {
      throw new EngineException(memoryPlan.complaint());
    }
    Unwind unwind = new Unwind();
    try {
      backend =
          unwind.add(
              Backends.open(
                  provider,
                  new BackendOptions(
                      options.threads(), options.device(), options.repack(), options.log())));
      options.log().accept(backend.name() + ": " + backend.description());
      requireCacheEncoding();
      long total = checkpoint.byteSize();
      long[] done = new long[1];
      loaded =
          unwind.add(
              ModelLoader.load(
                  checkpoint,
                  backend,
                  contextLength,
                  bytes -> progress.loaded(done[0] = Math.min(total, done[0] + bytes), total)));
      progress.loaded(total, total);
      cache =
          unwind.add(
              new LatentCacheStore(
                  backend,
                  config.layers() + config.mtpLayers(),
                  config.cacheEntry(),
                  options.cacheEncoding(),
                  options.pageTokens(),
                  contextLength,
                  options.maxSequences(),
                  memoryPlan.cachePages()));
      int batch = Math.min(options.batchTokens(provider), backend.capabilities().maxTokens());
      runner = unwind.add(new StepRunner(backend, loaded.model(), cache, batch));
    } catch (Throwable e) {
      unwind.close();
      throw e;
    }
    this.loadSeconds = (System.nanoTime() - start) * 1e-9;
  }

  /**
   * Opens the checkpoint that the options name, and puts it on a backend.
   *
   * @throws dev.yuzui.weights.WeightException if the checkpoint cannot be used
   * @throws dev.yuzui.spi.BackendException if the device cannot
   * @throws EngineException if an option cannot be met
   */
  public static Engine open(RuntimeOptions options, LoadProgress progress) {
    return open(Checkpoints.open(options.model()), options, progress);
  }

  /**
   * As {@link #open(RuntimeOptions, LoadProgress)}; the engine closes {@code checkpoint}, also when
   * this fails.
   */
  public static Engine open(Checkpoint checkpoint, RuntimeOptions options, LoadProgress progress) {
    try {
      return new Engine(checkpoint, Backends.of(options), options, progress);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  private void requireCacheEncoding() {
    var caches = backend.capabilities().caches();
    if (!caches.contains(options.cacheEncoding())) {
      throw new EngineException(
          "--kv-cache-dtype: backend "
              + backend.name()
              + " has "
              + caches.stream().map(e -> e.label()).sorted().toList()
              + ", found "
              + options.cacheEncoding().label());
    }
    int entry = checkpoint.config().cacheEntry();
    if (entry % options.cacheEncoding().blockElements() != 0) {
      throw new EngineException(
          "--kv-cache-dtype "
              + options.cacheEncoding().label()
              + ": its blocks of "
              + options.cacheEncoding().blockElements()
              + " do not divide this model's cache entry of "
              + entry
              + " numbers; use f16");
    }
  }

  public Checkpoint checkpoint() {
    return checkpoint;
  }

  public DeepseekConfig config() {
    return checkpoint.config();
  }

  public RuntimeOptions options() {
    return options;
  }

  /** Tokens of a sequence at most. */
  public int contextLength() {
    return contextLength;
  }

  /** Tokens of a step at most: prompts are read in chunks of it. */
  public int batchTokens() {
    return runner.maxTokens();
  }

  public double loadSeconds() {
    return loadSeconds;
  }

  public String backendName() {
    return backend.name();
  }

  public String backendDescription() {
    return backend.description();
  }

  public MemoryPlan memoryPlan() {
    return memoryPlan;
  }

  /**
   * @throws EngineException if the checkpoint has no vocabulary
   */
  public Tokenizer tokenizer() {
    return findTokenizer()
        .orElseThrow(
            () ->
                new EngineException(
                    checkpoint.path()
                        + ": no tokenizer: "
                        + (checkpoint.vocabulary() instanceof VocabularySource.None(String because)
                            ? because
                            : "the vocabulary is empty")));
  }

  /** Built on first use: a large vocabulary takes longer than loading a small model. */
  Optional<Tokenizer> findTokenizer() {
    if (tokenizer.isEmpty() && !(checkpoint.vocabulary() instanceof VocabularySource.None)) {
      tokenizer = Optional.of(Tokenizer.of(checkpoint.vocabulary()));
    }
    return tokenizer;
  }

  /** The model's own chat template, or the built-in one its vocabulary calls for. */
  public Optional<ChatTemplate> chatTemplate() {
    return findTokenizer()
        .flatMap(t -> ChatTemplate.of(checkpoint.vocabulary(), t, config().name()));
  }

  boolean isEnd(int token) {
    return config().eosTokens().contains(token)
        || findTokenizer().map(t -> t.isEndOfGeneration(token)).orElse(false);
  }

  StepRunner runner() {
    return runner;
  }

  /** A session of its own sequence; at most {@code maxSequences} are open at a time. */
  public Session newSession() {
    return new Session(this, cache.openSequence());
  }

  /**
   * Appends one token to each session, all in one step, and gives their greedy successors.
   *
   * @param tokens one for each session; at most {@value StepRunner#MAX_OUTPUTS} and {@code
   *     batchTokens}
   */
  public int[] decodeTogether(List<Session> sessions, int[] tokens) {
    runner.run(chunks(sessions, tokens), 1);
    hold(sessions, tokens);
    return runner.greedy();
  }

  /**
   * As {@link #decodeTogether}, slowly, to count.
   *
   * @return how many experts the step's rows went to, for each layer that has experts
   */
  public List<Integer> countExperts(List<Session> sessions, int[] tokens) {
    List<Integer> counts = runner.countExperts(chunks(sessions, tokens));
    hold(sessions, tokens);
    return counts;
  }

  private List<Chunk> chunks(List<Session> sessions, int[] tokens) {
    if (tokens.length != sessions.size()) {
      throw new IllegalArgumentException(
          tokens.length + " tokens for " + sessions.size() + " sessions");
    }
    List<Chunk> chunks = new ArrayList<>();
    for (int i = 0; i < tokens.length; i++) {
      Session session = sessions.get(i);
      requireRoom(session.length(), 1);
      chunks.add(new Chunk(session.sequence(), new int[] {tokens[i]}, Outputs.LAST));
    }
    return chunks;
  }

  private static void hold(List<Session> sessions, int[] tokens) {
    for (int i = 0; i < tokens.length; i++) {
      sessions.get(i).hold(sessions.get(i).length() - 1, new int[] {tokens[i]});
    }
  }

  /** Gives every entry of the cache random numbers, for {@link Session#assume}. */
  public void fillCache() {
    cache.fill();
  }

  void requireRoom(int held, int more) {
    if (held + more > contextLength) {
      throw new EngineException(
          "the prompt does not fit: "
              + (held + more)
              + " tokens, and the context holds "
              + contextLength
              + "; shorten it or raise -c (this model: up to "
              + config().contextLength()
              + ")");
    }
  }

  /** Logits of every position. */
  public void logits(int[] tokens, LogitsSink sink) {
    eachChunk(
        tokens,
        (sequence, from, to) -> {
          run(sequence, Arrays.copyOfRange(tokens, from, to), Outputs.ALL);
          emit(from, to - from, sink);
        });
  }

  /**
   * Logits of the MTP layer: row i, from token i's state and token i+1, predicts token i+2; n − 1
   * rows.
   *
   * @throws EngineException if the checkpoint has no MTP layer
   */
  public void mtpLogits(int[] tokens, LogitsSink sink) {
    if (config().mtpLayers() == 0) {
      throw new EngineException(checkpoint.path() + ": the checkpoint has no MTP layer");
    }
    eachChunk(
        tokens,
        (sequence, from, to) -> {
          run(sequence, Arrays.copyOfRange(tokens, from, to), Outputs.NONE);
          int[] next = Arrays.copyOfRange(tokens, from + 1, Math.min(to + 1, tokens.length));
          if (next.length > 0) {
            runner.runMtp(sequence, from, next);
            emit(from, next.length, sink);
          }
        });
  }

  private interface ChunkAction {
    void run(Sequence sequence, int from, int to);
  }

  private void eachChunk(int[] tokens, ChunkAction action) {
    requireRoom(0, tokens.length);
    int chunk = Math.min(runner.maxTokens(), StepRunner.MAX_OUTPUTS);
    try (Sequence sequence = cache.openSequence()) {
      for (int from = 0; from < tokens.length; from += chunk) {
        action.run(sequence, from, Math.min(tokens.length, from + chunk));
      }
    }
  }

  private void run(Sequence sequence, int[] tokens, Outputs outputs) {
    runner.run(List.of(new Chunk(sequence, tokens, outputs)));
  }

  private void emit(int from, int rows, LogitsSink sink) {
    float[] row = new float[config().vocabSize()];
    for (int i = 0; i < rows; i++) {
      runner.logits(i, row);
      sink.row(from + i, row);
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try (checkpoint;
        backend;
        loaded;
        cache;
        runner) {
      tokenizer.ifPresent(Tokenizer::close);
    }
  }
}
