package dev.yuzui.engine;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.engine.plan.DeviceMemory;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.engine.step.ModelRunner;
import dev.yuzui.model.ModelLoader;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.Exchanges;
import dev.yuzui.parallel.ExpertSource;
import dev.yuzui.parallel.Rebalancer;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A checkpoint on its devices, with all that steps need there. */
final class LoadedModel implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final RuntimeOptions options;
  private final MemoryPlan memoryPlan;
  private final DeviceGroup group;
  private final Optional<Exchanges> exchanges;
  private final KvCaches cache;
  private final ModelRunner runner;

  /** Closes what it has, what was opened last first. */
  private final Unwind opened = new Unwind();

  /**
   * @param devices one, or several that {@link RuntimeOptions#distribution} lays the model over
   * @throws EngineException if an option cannot be met
   */
  LoadedModel(
      Checkpoint checkpoint, List<Device> devices, RuntimeOptions options, LoadProgress progress) {
    this.checkpoint = checkpoint;
    this.options = MemoryPlan.suited(checkpoint.config(), options);
    DeepseekConfig config = checkpoint.config();
    if (options.speculation().drafts() == Speculation.Drafts.MTP && config.mtpLayers() == 0) {
      throw new EngineException(
          "Speculation.drafts MTP: " + checkpoint.path() + " has no MTP layer; use NGRAM, or NONE");
    }
    if (options.v4Qat() && !(config.attention() instanceof AttentionConfig.Compressed)) {
      throw new EngineException(
          "RuntimeOptions.v4Qat: expected a DeepSeek-V4, whose training rounded what it keeps, found "
              + config.name());
    }
    memoryPlan = MemoryPlan.of(checkpoint, devices, options);
    memoryPlan.reasons().forEach(options.log());
    if (!memoryPlan.fits()) {
      throw new EngineException(memoryPlan.complaint());
    }
    try {
      List<DeviceMemory> used = memoryPlan.devices();
      group = opened.add(new DeviceGroup(open(used)));
      requireCacheEncoding();
      DevicePlan plan = memoryPlan.layout();
      int batch =
          ModelRunner.maxTokens(group, options.batchTokens(used.getFirst().device().provider()));
      if (options.maxSequences() > batch) {
        options
            .log()
            .accept(
                "RuntimeOptions.maxSequences "
                    + options.maxSequences()
                    + ": "
                    + batch
                    + " run at a time, as many as a step has tokens; see"
                    + " RuntimeOptions.batchTokens");
      }
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
      ModelLoader.Loaded loaded = opened.add(load(plan, progress));
      cache = new KvCaches(caches(plan, batch));
      runner = opened.add(new ModelRunner(group, exchanges, loaded.ranks(), cache, batch));
    } catch (Throwable e) {
      opened.giveUp(e);
      throw e;
    }
  }

  private List<DeviceGroup.Member> open(List<DeviceMemory> devices) {
    long processors = devices.stream().filter(d -> d.device().provider().host()).count();
    int threads =
        processors < 2
            ? options.threads()
            : Math.max(1, (int) (threads() / processors)); // they share the cores
    List<DeviceGroup.Member> members = new ArrayList<>();
    for (DeviceMemory memory : devices) {
      Device device = memory.device();
      Backend backend =
          opened.add(
              Backends.open(
                  device.provider(),
                  new BackendOptions(
                      threads,
                      device.device(),
                      options.repack(),
                      options.earlyLaunch(),
                      options.driverCache(),
                      options.repackCache().map(f -> memory.repackCache(f, checkpoint)),
                      options.log(),
                      options.notice())));
      options.log().accept(device.name() + ": " + backend.description());
      members.add(new DeviceGroup.Member(device.name(), backend));
    }
    return members;
  }

  private int threads() {
    return options.threads() > 0 ? options.threads() : HostResources.local().cores();
  }

  private void requireCacheEncoding() {
    for (int d = 0; d < group.size(); d++) {
      Backend backend = group.backend(d);
      Set<Encoding> caches = backend.capabilities().caches();
      if (!caches.contains(options.cache().encoding())) {
        throw new EngineException(
            "KvCacheOptions.encoding: backend "
                + backend.name()
                + " has "
                + caches.stream().map(Encoding::label).sorted().toList()
                + ", found "
                + options.cache().encoding().label());
      }
    }
  }

  private ExpertSource.Stored stored(int layer, int expert, Arena owner) {
    return new ExpertSource.Stored(
        checkpoint.experts(Part.EXPERT_GATE, layer, owner).get(expert),
        checkpoint.experts(Part.EXPERT_UP, layer, owner).get(expert),
        checkpoint.experts(Part.EXPERT_DOWN, layer, owner).get(expert));
  }

  private ModelLoader.Loaded load(DevicePlan plan, LoadProgress progress) {
    long total = checkpoint.byteSize();
    long[] done = new long[1];
    ModelLoader.Loaded loaded =
        ModelLoader.load(
            checkpoint,
            group,
            plan,
            exchanges,
            contextLength(),
            options.cache().encoding(),
            options.v4Qat(),
            bytes -> {
              done[0] = Math.min(total, done[0] + bytes);
              progress.loaded(done[0], total);
            });
    for (int d = 0; d < group.size(); d++) {
      group.backend(d).uploaded();
    }
    progress.loaded(total, total);
    return loaded;
  }

  /** One for each rank, which has its share of the sequences and pages. */
  private List<KvCacheStore> caches(DevicePlan plan, int batch) {
    DeepseekConfig config = checkpoint.config();
    return plan.ranks().stream()
        .map(
            layers ->
                opened.add(
                    new KvCacheStore(
                        layer -> group.backend(layers.get(layer)),
                        config.cacheStreams(),
                        options.cache().encoding(),
                        options.cache().pageTokens(),
                        contextLength(),
                        memoryPlan.rankSequences(),
                        memoryPlan.cachePages(),
                        MemoryPlan.ringSize(options, batch))))
        .toList();
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  DeepseekConfig config() {
    return checkpoint.config();
  }

  RuntimeOptions options() {
    return options;
  }

  MemoryPlan memoryPlan() {
    return memoryPlan;
  }

  int contextLength() {
    return memoryPlan.contextLength();
  }

  DeviceGroup group() {
    return group;
  }

  KvCaches cache() {
    return cache;
  }

  ModelRunner runner() {
    return runner;
  }

  /** What it has on devices; the checkpoint is its owner's. */
  @Override
  public void close() {
    opened.close();
  }
}
