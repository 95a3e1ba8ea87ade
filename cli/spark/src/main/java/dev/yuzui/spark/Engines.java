package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of this JVM: one for a model on its devices, whichever of its tasks asks, and until
 * the JVM ends, or one with other settings is opened while no task uses it. Spark makes tasks out
 * of bytes and gives them nothing of the executor's, so this is the one place that is the JVM's
 * own.
 */
final class Engines {
  private static final Logger LOG = LoggerFactory.getLogger(Engines.class);

  private static final Engines OF_THIS_JVM = new Engines();

  /**
   * What an engine is opened with.
   *
   * @param settings as they were asked for
   * @param devices that it is on: tasks may have GPUs of their own
   */
  private record Key(List<Object> settings, List<String> devices) {}

  private static final class Open {
    private final Engine engine;

    /** That use it. */
    private int tasks;

    Open(Engine engine) {
      this.engine = engine;
    }
  }

  private final Map<Key, Open> open = new HashMap<>();

  private final Turns turns = new Turns();

  /** Applications and folders that crashes are noted in. */
  private final Set<List<String>> watched = ConcurrentHashMap.newKeySet();

  Engines() {}

  static Engines ofThisJvm() {
    return OF_THIS_JVM;
  }

  /**
   * The engine of a task, which others use at the same time, until the task gives it back.
   *
   * @throws RuntimeException if it cannot be opened: Spark tries the task again, elsewhere too
   */
  synchronized Engine take(YuzuiBatchConfig config) {
    List<String> devices = devices(config);
    Key key =
        new Key(
            List.of(
                config.model(),
                config.contextLength(),
                config.batchTokens(),
                config.maxSequences(),
                config.cachePages(),
                config.threads(),
                config.devices()),
            devices);
    Open there = open.get(key);
    if (there != null && !there.engine.isUsable()) {
      open.remove(key);
      there.engine.close(); // it lost its device; what is left of its tasks fails
      there = null;
    }
    if (there == null) {
      closeIdle(key.settings());
      there = new Open(open(config, devices));
      open.put(key, there);
    }
    there.tasks++;
    return there.engine;
  }

  /** Of a task that has ended. */
  synchronized void giveBack(Engine engine) {
    open.values().stream().filter(each -> each.engine == engine).forEach(each -> each.tasks--);
  }

  /** Those of earlier jobs, which hold the memory that the next one needs. */
  private void closeIdle(List<Object> settings) {
    for (var each = open.entrySet().iterator(); each.hasNext(); ) {
      Map.Entry<Key, Open> other = each.next();
      if (other.getValue().tasks == 0 && !other.getKey().settings().equals(settings)) {
        each.remove();
        other.getValue().engine.close();
        LOG.info("closed {}, which no task uses", other.getKey().settings().getFirst());
      }
    }
  }

  private static Engine open(YuzuiBatchConfig config, List<String> devices) {
    RuntimeOptions options =
        config.options().withLog(LOG::debug).withNotice(LOG::info).withDevices(devices);
    Engine engine = Engine.open(options, LoadProgress.none());
    LOG.info(
        "opened {} in {} s on {}: {}",
        config.model(),
        String.format("%.1f", engine.loadSeconds()),
        engine.devices(),
        engine.backendDescription());
    return engine;
  }

  /**
   * Whether nobody has asked this before: the driver's listener is for all transforms that note
   * crashes in this folder.
   */
  boolean watches(String application, String folder) {
    return watched.add(List.of(application, folder));
  }

  /** Of an application that has ended. */
  void forget(String application) {
    watched.removeIf(each -> each.getFirst().equals(application));
  }

  /** Of all engines: a process ends with all of them. */
  Turns turns() {
    return turns;
  }

  private static List<String> devices(YuzuiBatchConfig config) {
    if (!config.devices().isEmpty()) {
      return config.devices();
    }
    return Optional.ofNullable(TaskContext.get())
        .map(task -> task.resourcesJMap().get("gpu"))
        .map(ResourceInformation::addresses)
        .map(addresses -> List.of(addresses).stream().map(a -> "cuda:" + a).toList())
        .orElse(List.of());
  }

  /** What requests are read with. */
  static ServedModel served(Engine engine, YuzuiBatchConfig config) {
    ServedModel model = ServedModel.of(engine);
    return model
        .with(
            RenderOptions.ANSWER,
            false,
            Optional.of(config.system()).filter(text -> !text.isEmpty()),
            ReasoningFilter.Mode.STDERR)
        .with(
            model.sampling().withTemperature(config.temperature()),
            config.maxTokens(),
            List.of(),
            false);
  }

  /** Of programs that go on when their jobs are done. */
  synchronized void close() {
    open.values().forEach(each -> each.engine.close());
    open.clear();
  }

  synchronized int count() {
    return open.size();
  }
}
