package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.spi.WatchedProvider;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.GgufNames;
import dev.yuzui.weights.ImportanceMatrix;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.IntConsumer;

/**
 * Measures what the columns of a model's weights are multiplied by, over a text: the sums of
 * squares that an {@link ImportanceMatrix} has. The devices are watched ({@link WatchedProvider}),
 * and steps run op by op, as for every observer. MTP layers are measured where the model has some.
 */
public final class ImportanceCounter implements AutoCloseable {
  private final Engine engine;
  private final Sums sums;
  private int chunks;

  private ImportanceCounter(Engine engine, Sums sums) {
    this.engine = engine;
    this.sums = sums;
  }

  /** What has come in so far. Devices may show it from threads of their own. */
  private static final class Sums {
    private record Entry(float[] sums, float[] counts) {}

    private final GgufNames names;
    private final Map<String, Optional<GgufNames.Place>> places = new HashMap<>();
    private final Map<String, Entry> entries = new TreeMap<>();
    private int tokens;

    Sums(GgufNames names) {
      this.names = names;
    }

    synchronized void expect(int tokens) {
      this.tokens = tokens;
    }

    synchronized void add(String weight, int head, int row, float[] values, int from, int count) {
      Optional<GgufNames.Place> found = places.computeIfAbsent(weight, names::of);
      if (row >= tokens || found.isEmpty()) {
        return;
      }
      GgufNames.Place place = found.get();
      Entry entry =
          entries.computeIfAbsent(
              place.tensor(),
              _ -> new Entry(new float[place.matrices() * count], new float[place.matrices()]));
      int matrix = place.matrix() + head;
      for (int i = 0; i < count; i++) {
        float v = values[from + i];
        entry.sums[matrix * count + i] += v * v;
      }
      entry.counts[matrix]++;
    }
  }

  /**
   * Opens the checkpoint on devices that are watched, and closes it with this or when this fails.
   *
   * @throws EngineException if an option cannot be met
   */
  public static ImportanceCounter open(
      Checkpoint checkpoint, RuntimeOptions options, LoadProgress progress) {
    try {
      Sums sums = new Sums(GgufNames.of(checkpoint));
      List<Device> devices =
          Backends.devices(options).stream()
              .map(
                  d ->
                      new Device(
                          d.name(), new WatchedProvider(d.provider(), sums::add), d.device()))
              .toList();
      return new ImportanceCounter(Engine.open(checkpoint, devices, options, progress), sums);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  public Engine engine() {
    return engine;
  }

  /**
   * Reads a chunk of text in a sequence of its own.
   *
   * @param progress told the number of its tokens read so far
   */
  public void read(int[] tokens, IntConsumer progress) {
    int most = Math.min(Engine.OBSERVED_TOKENS, engine.batchTokens());
    try (Session session = engine.newSession()) {
      for (int from = 0; from < tokens.length; from += most) {
        int to = Math.min(tokens.length, from + most);
        int start = session.length();
        sums.expect(to - from);
        session.observe(Arrays.copyOfRange(tokens, from, to), (_, _, _) -> {});
        int[] next = Arrays.copyOfRange(tokens, from + 1, Math.min(to + 1, tokens.length));
        if (engine.config().mtpLayers() > 0 && next.length > 0) {
          sums.expect(next.length);
          session.observeMtp(start, next, (_, _, _) -> {});
        }
        progress.accept(to);
      }
    }
    chunks++;
  }

  /**
   * @param dataset the text's name
   * @param chunkSize tokens that each {@link #read} was given
   */
  public ImportanceMatrix matrix(String dataset, int chunkSize) {
    Map<String, ImportanceMatrix.Entry> entries = new TreeMap<>();
    synchronized (sums) {
      sums.entries.forEach(
          (name, e) ->
              entries.put(name, new ImportanceMatrix.Entry(e.sums().clone(), e.counts().clone())));
    }
    return new ImportanceMatrix(entries, List.of(dataset), chunks, chunkSize);
  }

  @Override
  public void close() {
    engine.close();
  }
}
