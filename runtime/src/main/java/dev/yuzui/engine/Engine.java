package dev.yuzui.engine;

import dev.yuzui.engine.api.DeviceLoad;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.LogitsSink;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.StepTimes;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.model.Step;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * A model on a device, ready to generate. Thread-safe: requests of all threads share the steps of
 * one thread of the engine's, each with its own sequence; {@link RuntimeOptions#maxSequences} says
 * how many run at a time, the others wait.
 */
public final class Engine implements AutoCloseable {
  /** Tokens that a session shows at once, at most; and no more than {@link #batchTokens}. */
  public static final int OBSERVED_TOKENS = Step.OUTPUTS;

  private final LoadedModel model;
  private final SharedModel shared;
  private final LoadingTokenizer tokenizer;
  private final Requests requests;
  private final double loadSeconds;

  private Engine(
      LoadedModel model,
      Optional<LoadedDraftModel> draftModel,
      LoadingTokenizer tokenizer,
      Closing closing,
      double loadSeconds) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.loadSeconds = loadSeconds;
    shared = new SharedModel(model, closing);
    requests = new Requests(shared, tokenizer, draftModel);
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
      return open(checkpoint, Backends.devices(options), options, progress);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  /** On these devices; the caller closes {@code checkpoint} when this fails. */
  static Engine open(
      Checkpoint checkpoint, List<Device> devices, RuntimeOptions options, LoadProgress progress) {
    long start = System.nanoTime();
    Closing closing = new Closing();
    LoadingTokenizer tokenizer = new LoadingTokenizer(checkpoint, closing);
    Unwind opened = new Unwind();
    try {
      opened.add(() -> closing.close(false, tokenizer::close, options.log()));
      tokenizer.begin();
      Optional<LoadedDraftModel> draft = LoadedDraftModel.of(checkpoint, devices, options);
      draft.ifPresent(opened::add);
      LoadedModel model = new LoadedModel(checkpoint, devices, options, progress);
      return new Engine(model, draft, tokenizer, closing, (System.nanoTime() - start) * 1e-9);
    } catch (Throwable e) {
      opened.giveUp(e);
      throw e;
    }
  }

  public Checkpoint checkpoint() {
    return model.checkpoint();
  }

  public DeepseekConfig config() {
    return model.config();
  }

  public RuntimeOptions options() {
    return model.options();
  }

  /** Tokens of a sequence at most. */
  public int contextLength() {
    return model.contextLength();
  }

  /** Tokens of a step at most: prompts are read in chunks of it. */
  public int batchTokens() {
    return model.runner().maxTokens();
  }

  public double loadSeconds() {
    return loadSeconds;
  }

  /** Of the first device. */
  public String backendName() {
    return model.group().backend(0).name();
  }

  /** Of the first device. */
  public String backendDescription() {
    return model.group().backend(0).description();
  }

  /** As the user named them. */
  public List<String> devices() {
    return IntStream.range(0, model.group().size()).mapToObj(model.group()::name).toList();
  }

  public MemoryPlan memoryPlan() {
    return model.memoryPlan();
  }

  /**
   * Closed with the engine.
   *
   * @throws EngineException if the checkpoint has no vocabulary
   */
  public Tokenizer tokenizer() {
    return tokenizer.require();
  }

  /** Whether there is text; without a tokenizer prompts and answers are token ids. */
  public boolean hasTokenizer() {
    return tokenizer.isThere();
  }

  /** Which chat template the model is used with, and why. */
  public TemplateChoice templateChoice() {
    return tokenizer.templateChoice();
  }

  /** As {@link #templateChoice()} has it; empty for a model that continues text. */
  public Optional<ChatTemplate> chatTemplate() {
    requireOpen();
    return tokenizer.template();
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
    return requests.submit(List.of(request), _ -> listener).getFirst();
  }

  /**
   * Several answers to one prompt, which is read once. Where the request has a seed, answer i draws
   * from seed + i.
   */
  public List<Generation> generate(GenerateRequest request, int answers) {
    return generate(request, answers, _ -> (id, text) -> {});
  }

  /**
   * As {@link #generate(GenerateRequest, int)}.
   *
   * @param listeners of each answer
   */
  public List<Generation> generate(
      GenerateRequest request, int answers, IntFunction<GenerationListener> listeners) {
    if (answers < 1) {
      throw new IllegalArgumentException("answers: expected 1 or more, found " + answers);
    }
    return requests.submit(
        IntStream.range(0, answers)
            .mapToObj(i -> request.withSampling(request.sampling().forAnswer(i)))
            .toList(),
        listeners);
  }

  /** Of each device where there are several, else nothing; any thread may ask. */
  public List<DeviceLoad> deviceLoads() {
    requireOpen();
    if (model.group().size() == 1) {
      return List.of();
    }
    try (var _ = shared.hold()) {
      return model.runner().loads();
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

  /**
   * @throws EngineException once it is closed
   */
  void requireOpen() {
    shared.closing().requireOpen();
  }

  /** How the package's other measurements get at the model. */
  SharedModel shared() {
    return shared;
  }

  /** Tells the requests that wait that there may be room now. */
  void wake() {
    requests.wake();
  }

  /** A session of its own sequence, one of {@link RuntimeOptions#maxSequences}. */
  public Session newSession() {
    try (var _ = shared.hold()) {
      return new Session(shared, model.cache().openSequence(), requests::wake);
    }
  }

  /**
   * Appends one token to each session, all in one step, and gives their greedy successors.
   *
   * @param tokens one for each session; at most {@link #batchTokens}
   */
  public int[] decodeTogether(List<Session> sessions, int[] tokens) {
    List<Chunk> chunks = chunks(sessions, tokens);
    try (var _ = shared.hold()) {
      model.runner().run(chunks, 1);
      return model.runner().greedy();
    }
  }

  /**
   * As {@link #decodeTogether}, slowly, to count.
   *
   * @return how many experts the step's rows went to, for each layer that has experts
   */
  public List<Integer> countExperts(List<Session> sessions, int[] tokens) {
    List<Chunk> chunks = chunks(sessions, tokens);
    try (var _ = shared.hold()) {
      return model.runner().countExperts(chunks);
    }
  }

  private List<Chunk> chunks(List<Session> sessions, int[] tokens) {
    if (tokens.length != sessions.size()) {
      throw new IllegalArgumentException(
          tokens.length + " tokens for " + sessions.size() + " sessions");
    }
    if (tokens.length > batchTokens()) {
      throw new EngineException(
          tokens.length + " sessions in a step that has " + batchTokens() + " tokens at most");
    }
    List<Chunk> chunks = new ArrayList<>();
    for (int i = 0; i < tokens.length; i++) {
      Session session = sessions.get(i);
      shared.requireRoom(session.length(), 1);
      chunks.add(new Chunk(session.sequence(), new int[] {tokens[i]}, Outputs.LAST));
    }
    return chunks;
  }

  /** Gives every entry of the cache random numbers, for {@link Session#assume}. */
  public void fillCache() {
    try (var _ = shared.hold()) {
      model.cache().fill();
    }
  }

  /** Logits of every position. */
  public void logits(int[] tokens, LogitsSink sink) {
    logitsPass(tokens, sink).main();
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
      throw new EngineException(model.checkpoint().path() + ": the checkpoint has no MTP layer");
    }
    logitsPass(tokens, sink).mtp();
  }

  private LogitsPass logitsPass(int[] tokens, LogitsSink sink) {
    return new LogitsPass(shared, this::newSession, tokens, sink);
  }

  /**
   * Whether another request may fare better than one that failed: false once the engine is closed,
   * or has lost a device without which it cannot go on.
   */
  public boolean isUsable() {
    return shared.closing().isOpen() && requests.usable();
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
    boolean inside = shared.device().isHeldByCurrentThread() || requests.runByCurrentThread();
    shared.closing().close(inside, this::end, model.options().log());
  }

  private void end() {
    requests.close();
    shared.device().lock();
    try (var _ = model.checkpoint();
        model;
        tokenizer) {
      // closed in the opposite order
    } finally {
      shared.device().unlock();
    }
  }
}
