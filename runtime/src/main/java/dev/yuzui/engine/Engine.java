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
import dev.yuzui.text.TextStream;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * A model on a device, ready to generate. Thread-safe: requests of all threads share the steps of
 * one thread of the engine's, each with its own sequence; {@link RuntimeOptions#maxSequences} says
 * how many run at a time, the others wait.
 */
public final class Engine implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final RuntimeOptions options;
  private final int contextLength;
  private final Backend backend;
  private final ModelLoader.Loaded loaded;
  private final LatentCacheStore cache;
  private final StepRunner runner;
  private final AtomicLong requests = new AtomicLong();

  /** Held while the runner or the cache is used: fair, for the loop asks for it without end. */
  private final ReentrantLock device = new ReentrantLock(true);

  private final Object lazily = new Object(); // guards the three below
  private Optional<Tokenizer> tokenizer = Optional.empty();
  private Optional<EngineLoop> loop = Optional.empty();
  private boolean closed;
  private final MemoryPlan memoryPlan;
  private final double loadSeconds;

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
  private Optional<Tokenizer> findTokenizer() {
    synchronized (lazily) {
      if (tokenizer.isEmpty() && !(checkpoint.vocabulary() instanceof VocabularySource.None)) {
        tokenizer = Optional.of(Tokenizer.of(checkpoint.vocabulary()));
      }
      return tokenizer;
    }
  }

  /** The model's own chat template, or the built-in one its vocabulary calls for. */
  public Optional<ChatTemplate> chatTemplate() {
    return findTokenizer()
        .flatMap(t -> ChatTemplate.of(checkpoint.vocabulary(), t, config().name()));
  }

  private boolean isEnd(int token) {
    return config().eosTokens().contains(token)
        || findTokenizer().map(t -> t.isEndOfGeneration(token)).orElse(false);
  }

  // ---- requests
  // -----------------------------------------------------------------------------------

  /** As {@link #generate(GenerateRequest, GenerationListener)}, for {@link Generation#tokens}. */
  public Generation generate(GenerateRequest request) {
    return generate(request, (id, text) -> {});
  }

  /**
   * Begins to answer, and returns at once. A request that cannot be met, as one whose prompt is
   * longer than the context, has a result that fails.
   */
  public Generation generate(GenerateRequest request, GenerationListener listener) {
    return submit(List.of(request), listener).getFirst();
  }

  /**
   * Several answers to one prompt, which is read once. Where the request has a seed, answer i draws
   * from seed + i.
   */
  public List<Generation> generate(GenerateRequest request, int answers) {
    OptionalLong seed = request.sampling().seed();
    return submit(
        IntStream.range(0, answers)
            .mapToObj(
                i ->
                    seed.isEmpty()
                        ? request
                        : request.withSampling(request.sampling().withSeed(seed.getAsLong() + i)))
            .toList(),
        (id, text) -> {});
  }

  /**
   * @param same requests that differ in how they are sampled
   */
  private List<Generation> submit(List<GenerateRequest> same, GenerationListener listener) {
    List<Generation> generations = same.stream().map(_ -> new Generation(this::cancel)).toList();
    try {
      requireGood(same.getFirst().prompt());
      List<Job> jobs = new ArrayList<>();
      for (int i = 0; i < same.size(); i++) {
        jobs.add(job(same.get(i), generations.get(i), listener));
      }
      loop().submit(jobs.getFirst(), jobs.subList(1, jobs.size()));
    } catch (RuntimeException e) {
      EngineException why =
          e instanceof EngineException known ? known : new EngineException(e.getMessage(), e);
      generations.forEach(generation -> generation.fail(why));
    }
    return generations;
  }

  private Job job(GenerateRequest request, Generation generation, GenerationListener listener) {
    return new Job(
        requests.getAndIncrement(),
        request,
        generation,
        listener,
        contextLength,
        this::isEnd,
        findTokenizer().map(t -> new TextStream(t, true)));
  }

  private void requireGood(List<Integer> prompt) {
    requireRoom(0, prompt.size());
    int vocabulary = config().vocabSize();
    for (int token : prompt) {
      if (token < 0 || token >= vocabulary) {
        throw new EngineException(
            "token " + token + " is outside the vocabulary of " + vocabulary + " tokens");
      }
    }
  }

  private EngineLoop loop() {
    synchronized (lazily) {
      if (closed) {
        throw new EngineException("the engine is closed");
      }
      if (loop.isEmpty()) {
        loop = Optional.of(new EngineLoop(runner, cache, device, config().vocabSize()));
      }
      return loop.get();
    }
  }

  private Optional<EngineLoop> startedLoop() {
    synchronized (lazily) {
      return loop;
    }
  }

  private void cancel(Generation generation) {
    startedLoop().ifPresent(l -> l.cancel(generation));
  }

  public EngineMetrics metrics() {
    return startedLoop().map(EngineLoop::metrics).orElse(EngineMetrics.NONE);
  }

  // ---- by hand
  // ------------------------------------------------------------------------------------

  /** To be closed by whoever holds the device. */
  interface Hold extends AutoCloseable {
    @Override
    void close();
  }

  /** Until it is closed, no other thread uses the runner or the cache. */
  Hold holdDevice() {
    device.lock();
    return device::unlock;
  }

  StepRunner runner() {
    return runner;
  }

  /** To be called where pages or sequences became free. */
  void wake() {
    startedLoop().ifPresent(EngineLoop::wake);
  }

  /** A session of its own sequence, one of {@link RuntimeOptions#maxSequences}. */
  public Session newSession() {
    try (var _ = holdDevice()) {
      return new Session(this, cache.openSequence());
    }
  }

  /**
   * Appends one token to each session, all in one step, and gives their greedy successors.
   *
   * @param tokens one for each session; at most {@value StepRunner#MAX_OUTPUTS} and {@code
   *     batchTokens}
   */
  public int[] decodeTogether(List<Session> sessions, int[] tokens) {
    List<Chunk> chunks = chunks(sessions, tokens);
    try (var _ = holdDevice()) {
      runner.run(chunks, 1);
      return runner.greedy();
    }
  }

  /**
   * As {@link #decodeTogether}, slowly, to count.
   *
   * @return how many experts the step's rows went to, for each layer that has experts
   */
  public List<Integer> countExperts(List<Session> sessions, int[] tokens) {
    List<Chunk> chunks = chunks(sessions, tokens);
    try (var _ = holdDevice()) {
      return runner.countExperts(chunks);
    }
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

  /** Gives every entry of the cache random numbers, for {@link Session#assume}. */
  public void fillCache() {
    try (var _ = holdDevice()) {
      cache.fill();
    }
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
    try (Session session = newSession()) {
      for (int from = 0; from < tokens.length; from += chunk) {
        try (var _ = holdDevice()) {
          action.run(session.sequence(), from, Math.min(tokens.length, from + chunk));
        }
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

  /** Requests that are not done fail. */
  @Override
  public void close() {
    synchronized (lazily) {
      if (closed) {
        return;
      }
      closed = true;
    }
    startedLoop().ifPresent(EngineLoop::close);
    try (checkpoint;
        backend;
        loaded;
        cache;
        runner) {
      synchronized (lazily) {
        tokenizer.ifPresent(Tokenizer::close);
      }
    }
  }
}
