package dev.yuzui.engine.api;

import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.RecordCopy;
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
 *     suits the backend, or one for each of maxSequences
 * @param maxSequences sequences that hold cache at the same time; of these run as many as a step
 *     has tokens
 * @param cache what the sequences share
 * @param repack whether a backend may copy weights into an order that suits the processor
 * @param v4Qat whether DeepSeek-V4 rounds what it keeps as it did in training
 * @param earlyLaunch whether a device's kernels may begin while those before them end; a matter of
 *     speed alone, for devices on which it does not do well
 * @param driverCache a folder for programs that drivers have compiled and can compile again; empty
 *     keeps none
 * @param repackCache a folder for weights as they were repacked, from which later starts map them;
 *     empty keeps none
 * @param speculation whether and how tokens to come are guessed
 * @param log what was chosen and why, a line each
 * @param notice what the user waits for besides reading the weights, a line each
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
    int maxSequences,
    KvCacheOptions cache,
    boolean repack,
    boolean v4Qat,
    boolean earlyLaunch,
    Optional<Path> driverCache,
    Optional<Path> repackCache,
    Speculation speculation,
    Consumer<String> log,
    Consumer<String> notice) {

  public static final int DEFAULT_CONTEXT = 4096;

  private static final int MOST_UNASKED = 2048;

  /**
   * @throws IllegalArgumentException for a number that means nothing
   */
  public RuntimeOptions {
    devices = List.copyOf(devices);
    Expected.atLeast(0, threads, "RuntimeOptions.threads");
    Expected.atLeast(0, contextLength, "RuntimeOptions.contextLength");
    Expected.atLeast(0, batchTokens, "RuntimeOptions.batchTokens");
    Expected.atLeast(1, maxSequences, "RuntimeOptions.maxSequences");
    Stream.of(
            model,
            metadata,
            backend,
            distribution,
            cache,
            driverCache,
            repackCache,
            speculation,
            log,
            notice)
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
        1,
        KvCacheOptions.DEFAULT,
        true,
        false,
        true,
        Optional.empty(),
        Optional.empty(),
        Speculation.NONE,
        line -> {},
        line -> {});
  }

  /**
   * {@link #batchTokens} as they are for {@code provider}'s devices: where none are asked for, what
   * suits them, or a token for each sequence if that is more, up to {@value #MOST_UNASKED}.
   */
  public int batchTokens(BackendProvider provider) {
    return batchTokens > 0
        ? batchTokens
        : Math.max(provider.promptTokens(), Math.min(maxSequences, MOST_UNASKED));
  }

  public RuntimeOptions withMetadata(MetadataOverrides overrides) {
    return RecordCopy.with(this, "metadata", overrides);
  }

  public RuntimeOptions withBackend(String name) {
    return RecordCopy.with(this, "backend", Optional.of(name));
  }

  public RuntimeOptions withDevice(String name) {
    return withDevices(List.of(name));
  }

  public RuntimeOptions withDevices(List<String> names) {
    return RecordCopy.with(this, "devices", List.copyOf(names));
  }

  public RuntimeOptions withDistribution(Distribution how) {
    return RecordCopy.with(this, "distribution", how);
  }

  public RuntimeOptions withThreads(int count) {
    return RecordCopy.with(this, "threads", count);
  }

  public RuntimeOptions withContextLength(int tokens) {
    return RecordCopy.with(this, "contextLength", tokens);
  }

  public RuntimeOptions withFit() {
    return RecordCopy.with(this, "fit", true);
  }

  public RuntimeOptions withBatchTokens(int tokens) {
    return RecordCopy.with(this, "batchTokens", tokens);
  }

  public RuntimeOptions withCache(KvCacheOptions options) {
    return RecordCopy.with(this, "cache", options);
  }

  public RuntimeOptions withCacheEncoding(Encoding encoding) {
    return withCache(RecordCopy.with(cache, "encoding", encoding));
  }

  public RuntimeOptions withMaxSequences(int count) {
    return RecordCopy.with(this, "maxSequences", count);
  }

  public RuntimeOptions withPageTokens(int tokens) {
    return withCache(RecordCopy.with(cache, "pageTokens", tokens));
  }

  public RuntimeOptions withCachePages(int count) {
    return withCache(RecordCopy.with(cache, "pages", count));
  }

  public RuntimeOptions withRepack(boolean allowed) {
    return RecordCopy.with(this, "repack", allowed);
  }

  public RuntimeOptions withV4Qat(boolean rounds) {
    return RecordCopy.with(this, "v4Qat", rounds);
  }

  public RuntimeOptions withEarlyLaunch(boolean allowed) {
    return RecordCopy.with(this, "earlyLaunch", allowed);
  }

  public RuntimeOptions withDriverCache(Path folder) {
    return RecordCopy.with(this, "driverCache", Optional.of(folder));
  }

  public RuntimeOptions withRepackCache(Path folder) {
    return RecordCopy.with(this, "repackCache", Optional.of(folder));
  }

  public RuntimeOptions withSpeculation(Speculation how) {
    return RecordCopy.with(this, "speculation", how);
  }

  public RuntimeOptions withLog(Consumer<String> sink) {
    return RecordCopy.with(this, "log", sink);
  }

  public RuntimeOptions withNotice(Consumer<String> sink) {
    return RecordCopy.with(this, "notice", sink);
  }
}
