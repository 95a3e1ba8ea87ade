package dev.yuzui.engine.api;

import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.MetadataOverrides;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * All knobs of the runtime; nothing else reads properties or the environment.
 *
 * @param model a GGUF file or a Hugging Face folder
 * @param metadata of a GGUF, to be read otherwise than it is
 * @param backend empty: the usable one of highest preference
 * @param devices as the user named them; empty for the backend's first. Where several are named, or
 *     one of another backend, each begins with the name of its backend
 * @param distribution of the model over several devices
 * @param threads of the host; 0 means physical cores
 * @param contextLength tokens of one sequence at most; 0 means the model's, at most {@value
 *     #DEFAULT_CONTEXT}
 * @param fit take the largest context that fits into the devices' free memory, at most
 *     contextLength, or the model's where that is 0; and where {@code distribution} asks for
 *     nothing, let free memory choose that too
 * @param batchTokens tokens of one step at most, prompts are read in chunks of it; 0 means what
 *     suits the backend
 * @param cacheEncoding one of {@link Encoding#caches}
 * @param maxSequences sequences that hold cache at the same time
 * @param pageTokens cache entries of a page
 * @param cachePages pages that all sequences share, or all of a device that has sequences of its
 *     own; 0 means as many as all of them need at full context. With fewer, sequences wait for each
 *     other and more of them may be admitted
 * @param repack whether a backend may copy weights into an order that suits the processor
 * @param driverCache a folder for programs that drivers have compiled and can compile again; empty
 *     keeps none
 * @param speculation whether and how tokens to come are guessed
 * @param log what was chosen and why, a line each
 */
public record RuntimeOptions(
    Path model,
    MetadataOverrides metadata,
    Optional<String> backend,
    List<String> devices,
    Distribution distribution,
    int threads,
    int contextLength,
    boolean fit,
    int batchTokens,
    Encoding cacheEncoding,
    int maxSequences,
    int pageTokens,
    int cachePages,
    boolean repack,
    Optional<Path> driverCache,
    Speculation speculation,
    Consumer<String> log) {

  public static final int DEFAULT_CONTEXT = 4096;

  /**
   * @throws IllegalArgumentException for a number that means nothing, or an encoding that caches
   *     cannot have
   */
  public RuntimeOptions {
    devices = List.copyOf(devices);
    Expected.atLeast(0, threads, "RuntimeOptions.threads");
    Expected.atLeast(0, contextLength, "RuntimeOptions.contextLength");
    Expected.atLeast(0, batchTokens, "RuntimeOptions.batchTokens");
    Expected.atLeast(1, maxSequences, "RuntimeOptions.maxSequences");
    Expected.atLeast(1, pageTokens, "RuntimeOptions.pageTokens");
    Expected.atLeast(0, cachePages, "RuntimeOptions.cachePages");
    Expected.that(
        Encoding.caches().contains(cacheEncoding),
        "RuntimeOptions.cacheEncoding",
        "one of " + Encoding.caches().stream().map(Encoding::label).toList(),
        cacheEncoding.label());
    Stream.of(model, metadata, backend, distribution, driverCache, speculation, log)
        .forEach(Objects::requireNonNull);
  }

  public static RuntimeOptions of(Path model) {
    return new RuntimeOptions(
        model,
        MetadataOverrides.NONE,
        Optional.empty(),
        List.of(),
        Distribution.ANY,
        0,
        0,
        false,
        0,
        Encoding.F16,
        1,
        64,
        0,
        true,
        Optional.empty(),
        Speculation.NONE,
        line -> {});
  }

  /** {@link #batchTokens} as they are for {@code provider}'s devices. */
  public int batchTokens(BackendProvider provider) {
    return batchTokens > 0 ? batchTokens : provider.promptTokens();
  }

  public RuntimeOptions withMetadata(MetadataOverrides overrides) {
    return with(o -> o.metadata = overrides);
  }

  public RuntimeOptions withBackend(String name) {
    return with(o -> o.backend = Optional.of(name));
  }

  public RuntimeOptions withDevice(String name) {
    return withDevices(List.of(name));
  }

  public RuntimeOptions withDevices(List<String> names) {
    return with(o -> o.devices = List.copyOf(names));
  }

  public RuntimeOptions withDistribution(Distribution how) {
    return with(o -> o.distribution = how);
  }

  public RuntimeOptions withThreads(int count) {
    return with(o -> o.threads = count);
  }

  public RuntimeOptions withContextLength(int tokens) {
    return with(o -> o.contextLength = tokens);
  }

  public RuntimeOptions withFit() {
    return with(o -> o.fit = true);
  }

  public RuntimeOptions withBatchTokens(int tokens) {
    return with(o -> o.batchTokens = tokens);
  }

  public RuntimeOptions withCacheEncoding(Encoding encoding) {
    return with(o -> o.cacheEncoding = encoding);
  }

  public RuntimeOptions withMaxSequences(int count) {
    return with(o -> o.maxSequences = count);
  }

  public RuntimeOptions withPageTokens(int tokens) {
    return with(o -> o.pageTokens = tokens);
  }

  public RuntimeOptions withCachePages(int count) {
    return with(o -> o.cachePages = count);
  }

  public RuntimeOptions withRepack(boolean allowed) {
    return with(o -> o.repack = allowed);
  }

  public RuntimeOptions withDriverCache(Path folder) {
    return with(o -> o.driverCache = Optional.of(folder));
  }

  public RuntimeOptions withSpeculation(Speculation how) {
    return with(o -> o.speculation = how);
  }

  public RuntimeOptions withLog(Consumer<String> sink) {
    return with(o -> o.log = sink);
  }

  /** The fields, to change some of them. */
  private static final class Copy {
    private Path model;
    private MetadataOverrides metadata;
    private Optional<String> backend;
    private List<String> devices;
    private Distribution distribution;
    private int threads;
    private int contextLength;
    private boolean fit;
    private int batchTokens;
    private Encoding cacheEncoding;
    private int maxSequences;
    private int pageTokens;
    private int cachePages;
    private boolean repack;
    private Optional<Path> driverCache;
    private Speculation speculation;
    private Consumer<String> log;

    Copy(RuntimeOptions from) {
      model = from.model;
      metadata = from.metadata;
      backend = from.backend;
      devices = from.devices;
      distribution = from.distribution;
      threads = from.threads;
      contextLength = from.contextLength;
      fit = from.fit;
      batchTokens = from.batchTokens;
      cacheEncoding = from.cacheEncoding;
      maxSequences = from.maxSequences;
      pageTokens = from.pageTokens;
      cachePages = from.cachePages;
      repack = from.repack;
      driverCache = from.driverCache;
      speculation = from.speculation;
      log = from.log;
    }

    RuntimeOptions done() {
      return new RuntimeOptions(
          model,
          metadata,
          backend,
          devices,
          distribution,
          threads,
          contextLength,
          fit,
          batchTokens,
          cacheEncoding,
          maxSequences,
          pageTokens,
          cachePages,
          repack,
          driverCache,
          speculation,
          log);
    }
  }

  private RuntimeOptions with(Consumer<Copy> change) {
    Copy copy = new Copy(this);
    change.accept(copy);
    return copy.done();
  }
}
