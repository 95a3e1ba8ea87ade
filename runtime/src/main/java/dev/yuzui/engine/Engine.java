package dev.yuzui.engine;

import dev.yuzui.cache.LatentCacheStore;
import dev.yuzui.cache.LatentCaches;
import dev.yuzui.engine.StepRunner.Chunk;
import dev.yuzui.engine.StepRunner.Outputs;
import dev.yuzui.model.ModelLoader;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.Exchanges;
import dev.yuzui.parallel.ExpertSource;
import dev.yuzui.parallel.Rebalancer;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.HostResources;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * A model on a device, ready to generate. Thread-safe: requests of all threads share the steps of
 * one thread of the engine's, each with its own sequence; {@link RuntimeOptions#maxSequences} says
 * how many run at a time, the others wait.
 */
public final class Engine implements AutoCloseable {
  /** Tokens that a session shows at once, at most; and no more than {@link #batchTokens}. */
  public static final int OBSERVED_TOKENS = StepRunner.MAX_OUTPUTS;

  private final Checkpoint checkpoint;
  private final RuntimeOptions options;
  private final int contextLength;
  private final DeviceGroup group;
  private final Optional<Exchanges> exchanges;
  private final ModelLoader.Loaded loaded;
  private final LatentCaches cache;
  private final StepRunner runner;
  private final Requests requests;

  /** Held while the runner or the cache is used: fair, for the loop asks for it without end. */
  private final ReentrantLock device = new ReentrantLock(true);

  private final Hold hold = device::unlock; // of whoever holds it: no step makes one

  private final Object lazily = new Object(); // guards the tokenizer
  private Optional<Tokenizer> tokenizer = Optional.empty();
  private final Closing closing = new Closing();
  private final MemoryPlan memoryPlan;
  private final double loadSeconds;

  /** Closes what the engine has, what was opened last first. */
  private final Unwind opened = new Unwind();

  /**
   * @param devices one, or several that {@link RuntimeOptions#distribution} lays the model over
   */
  Engine(
      Checkpoint checkpoint, List<Device> devices, RuntimeOptions options, LoadProgress progress) {
    long start = System.nanoTime();
    this.checkpoint = checkpoint;
    this.options = options;
    DeepseekConfig config = checkpoint.config();
    if (options.speculation().drafts() == Speculation.Drafts.MTP && config.mtpLayers() == 0) {
      throw new EngineException(
          "Speculation.drafts MTP: " + checkpoint.path() + " has no MTP layer; use NGRAM, or NONE");
    }
    this.memoryPlan = MemoryPlan.of(checkpoint, devices, options);
    this.contextLength = memoryPlan.contextLength();
    memoryPlan.reasons().forEach(options.log());
    if (!memoryPlan.fits()) {
      throw new EngineException(memoryPlan.complaint());
    }
    try {
      List<Device> used = memoryPlan.devices().stream().map(DeviceMemory::device).toList();
      group = opened.add(new DeviceGroup(open(used)));
      requireCacheEncoding();
      DevicePlan plan = memoryPlan.layout();
      int batch = StepRunner.maxTokens(group, options.batchTokens(used.getFirst().provider()));
      exchanges =
          plan.exchanges()
              ? Optional.of(
                  opened.add(
                      new Exchanges(group, batch, config.hiddenSize(), config.gate().used())))
              : Optional.empty();
      int rebalance = options.distribution().rebalanceSteps();
      if (rebalance > 0) {
        exchanges.ifPresent(
            x -> x.rebalanceBy(new Rebalancer(this::stored, rebalance, options.log())));
      }
      long total = checkpoint.byteSize();
      long[] done = new long[1];
      loaded =
          opened.add(
              ModelLoader.load(
                  checkpoint,
                  group,
                  plan,
                  exchanges,
                  contextLength,
                  bytes -> progress.loaded(done[0] = Math.min(total, done[0] + bytes), total)));
      progress.loaded(total, total);
      cache = new LatentCaches(caches(plan));
      runner = opened.add(new StepRunner(group, exchanges, loaded.ranks(), cache, batch));
    } catch (Throwable e) {
      opened.giveUp(e);
      throw e;
    }
    this.requests = new Requests(this, runner, cache, device);
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
    return open(
        Checkpoints.open(options.model(), options.metadata(), options.log()), options, progress);
  }

  /**
   * As {@link #open(RuntimeOptions, LoadProgress)}; the engine closes {@code checkpoint}, also when
   * this fails.
   */
  public static Engine open(Checkpoint checkpoint, RuntimeOptions options, LoadProgress progress) {
    try {
      return new Engine(checkpoint, Backends.devices(options), options, progress);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  private List<DeviceGroup.Member> open(List<Device> devices) {
    long processors = devices.stream().filter(d -> d.provider().host()).count();
    int threads =
        processors < 2
            ? options.threads()
            : Math.max(1, (int) (threads() / processors)); // they share the cores
    List<DeviceGroup.Member> members = new ArrayList<>();
    for (Device device : devices) {
      Backend backend =
          opened.add(
              Backends.open(
                  device.provider(),
                  new BackendOptions(
                      threads,
                      device.device(),
                      options.repack(),
                      options.driverCache(),
                      options.log())));
      options.log().accept(device.name() + ": " + backend.description());
      members.add(new DeviceGroup.Member(device.name(), backend));
    }
    return members;
  }

  private ExpertSource.Stored stored(int layer, int expert) {
    return new ExpertSource.Stored(
        checkpoint.experts(Part.EXPERT_GATE, layer).get(expert),
        checkpoint.experts(Part.EXPERT_UP, layer).get(expert),
        checkpoint.experts(Part.EXPERT_DOWN, layer).get(expert));
  }

  private int threads() {
    return options.threads() > 0 ? options.threads() : HostResources.local().cores();
  }

  /** One for each rank, which has its share of the sequences and pages. */
  private List<LatentCacheStore> caches(DevicePlan plan) {
    DeepseekConfig config = checkpoint.config();
    return plan.ranks().stream()
        .map(
            layers ->
                opened.add(
                    new LatentCacheStore(
                        layer -> group.backend(layers.get(layer)),
                        config.layers() + config.mtpLayers(),
                        config.cacheEntry(),
                        options.cacheEncoding(),
                        options.pageTokens(),
                        contextLength,
                        memoryPlan.rankSequences(),
                        memoryPlan.cachePages())))
        .toList();
  }

  private void requireCacheEncoding() {
    for (int d = 0; d < group.size(); d++) {
      requireCacheEncoding(group.backend(d));
    }
  }

  private void requireCacheEncoding(Backend backend) {
    var caches = backend.capabilities().caches();
    if (!caches.contains(options.cacheEncoding())) {
      throw new EngineException(
          "RuntimeOptions.cacheEncoding: backend "
              + backend.name()
              + " has "
              + caches.stream().map(e -> e.label()).sorted().toList()
              + ", found "
              + options.cacheEncoding().label());
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

  /** Of the first device. */
  public String backendName() {
    return group.backend(0).name();
  }

  /** Of the first device. */
  public String backendDescription() {
    return group.backend(0).description();
  }

  /** As the user named them. */
  public List<String> devices() {
    return IntStream.range(0, group.size()).mapToObj(group::name).toList();
  }

  public MemoryPlan memoryPlan() {
    return memoryPlan;
  }

  /**
   * Closed with the engine.
   *
   * @throws EngineException if the checkpoint has no vocabulary
   */
  public Tokenizer tokenizer() {
    requireOpen();
    return findTokenizer()
        .orElseThrow(
            () ->
                new EngineException(
                    checkpoint.path()
                        + ": no tokenizer: "
                        + (checkpoint.vocabulary() instanceof VocabularySource.None(String because)
                            ? because
                            : "the vocabulary is empty")
                        + "; give token ids instead of text, or put the model's tokenizer.json"
                        + " beside it"));
  }

  /** Whether there is text; without a tokenizer prompts and answers are token ids. */
  public boolean hasTokenizer() {
    return !(checkpoint.vocabulary() instanceof VocabularySource.None);
  }

  /** Built on first use: a large vocabulary takes longer than loading a small model. */
  Optional<Tokenizer> findTokenizer() {
    synchronized (lazily) {
      if (tokenizer.isEmpty() && hasTokenizer()) {
        requireOpen();
        tokenizer = Optional.of(Tokenizer.of(checkpoint.vocabulary()));
      }
      return tokenizer;
    }
  }

  /** Which chat template the model is used with, and why. */
  public TemplateChoice templateChoice() {
    return TemplateChoice.of(checkpoint);
  }

  /** As {@link #templateChoice()} has it; empty for a model that continues text. */
  public Optional<ChatTemplate> chatTemplate() {
    requireOpen();
    return findTokenizer().flatMap(t -> templateChoice().open(t));
  }

  boolean isEnd(int token) {
    return config().eosTokens().contains(token)
        || findTokenizer().map(t -> t.isEndOfGeneration(token)).orElse(false);
  }

  /** As {@link #generate(GenerateRequest, GenerationListener)}, for {@link Generation#tokens}. */
  public Generation generate(GenerateRequest request) {
    return generate(request, (id, text) -> {});
  }

  /**
   * Begins to answer, and returns at once. A request that cannot be met, as one whose prompt is
   * longer than the context or as long, has a result that fails.
   */
  public Generation generate(GenerateRequest request, GenerationListener listener) {
    return requests.submit(List.of(request), listener).getFirst();
  }

  /**
   * Several answers to one prompt, which is read once. Where the request has a seed, answer i draws
   * from seed + i.
   */
  public List<Generation> generate(GenerateRequest request, int answers) {
    if (answers < 1) {
      throw new IllegalArgumentException("answers: expected 1 or more, found " + answers);
    }
    return requests.submit(
        IntStream.range(0, answers)
            .mapToObj(i -> request.withSampling(request.sampling().forAnswer(i)))
            .toList(),
        (id, text) -> {});
  }

  /** Of each device where there are several, else nothing; any thread may ask. */
  public List<DeviceLoad> deviceLoads() {
    requireOpen();
    if (group.size() == 1) {
      return List.of();
    }
    try (var _ = holdDevice()) {
      return runner.loads();
    }
  }

  /** Also of an engine that is closed: what it had counted. */
  public EngineMetrics metrics() {
    return requests.metrics();
  }

  /** What the steps of requests that ran alone took. */
  public StepTimes stepTimes() {
    return requests.stepTimes();
  }

  /** To be closed by whoever holds the device. */
  interface Hold extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * @throws EngineException once it is closed
   */
  void requireOpen() {
    closing.requireOpen();
  }

  /**
   * Until it is closed, no other thread uses the runner or the cache, and both are there.
   *
   * @throws EngineException once the engine is closed
   */
  Hold holdDevice() {
    device.lock();
    try {
      requireOpen();
      return hold;
    } catch (EngineException e) {
      device.unlock();
      throw e;
    }
  }

  /** Does it while nobody else uses the cache; nothing, once the engine is closed. */
  void giveBack(Runnable what) {
    device.lock();
    try {
      if (closing.isOpen()) {
        what.run();
      }
    } finally {
      device.unlock();
    }
  }

  StepRunner runner() {
    return runner;
  }

  /** To be used by whoever holds the device. */
  LatentCaches cache() {
    return cache;
  }

  /** Tells the requests that wait that there may be room now. */
  void wake() {
    requests.wake();
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
    requireOpen();
    if (held + more > contextLength) {
      throw new EngineException(noRoom("the prompt does not fit", held + more));
    }
  }

  /** Room for a prompt and a token behind it. */
  void requireRoomForAnswer(int prompt) {
    requireRoom(0, prompt);
    if (prompt == contextLength) {
      throw new EngineException(noRoom("the prompt leaves no room for a text", prompt));
    }
  }

  private String noRoom(String what, int tokens) {
    return what
        + ": "
        + tokens
        + " tokens, and the context holds "
        + contextLength
        + "; shorten it or raise RuntimeOptions.contextLength (this model: up to "
        + config().contextLength()
        + ")";
  }

  /** Logits of every position. */
  public void logits(int[] tokens, LogitsSink sink) {
    new LogitsPass(this, tokens, sink).main();
  }

  /**
   * Logits of the MTP layer: row i, from token i's state and token i+1, predicts token i+2; n − 1
   * rows.
   *
   * @throws EngineException if the checkpoint has no MTP layer
   */
  public void mtpLogits(int[] tokens, LogitsSink sink) {
    requireOpen();
    if (config().mtpLayers() == 0) {
      throw new EngineException(checkpoint.path() + ": the checkpoint has no MTP layer");
    }
    new LogitsPass(this, tokens, sink).mtp();
  }

  /**
   * Whether another request may fare better than one that failed: false once the engine is closed,
   * or has lost a device without which it cannot go on.
   */
  public boolean isUsable() {
    return closing.isOpen() && requests.usable();
  }

  /**
   * From now on every call that needs the model fails with {@link EngineException}. Requests that
   * are not done fail; a step under way ends first, whoever runs it. Returns once memory and
   * threads have been given back; in the middle of a use, as in a listener, a sink or what depends
   * on a result, it returns at once and that happens when the use ends. Closing again is nothing,
   * but waits in the same way.
   */
  @Override
  public void close() {
    boolean inside = device.isHeldByCurrentThread() || requests.runByCurrentThread();
    closing.close(inside, this::end, options.log());
  }

  private void end() {
    requests.close();
    device.lock();
    try (checkpoint;
        opened) {
      synchronized (lazily) {
        tokenizer.ifPresent(Tokenizer::close);
      }
    } finally {
      device.unlock();
    }
  }
}
