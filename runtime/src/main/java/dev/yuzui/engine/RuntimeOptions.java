package dev.yuzui.engine;

import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * All knobs of the runtime; nothing else reads properties or the environment.
 *
 * @param model a GGUF file or a Hugging Face folder
 * @param backend empty: the usable one of highest preference
 * @param device as the user named it, or empty for the backend's first
 * @param threads of the host; 0 means physical cores
 * @param contextLength tokens of one sequence at most; 0 means the model's, at most {@value
 *     #DEFAULT_CONTEXT}
 * @param fit take the largest context that fits into the device's free memory, at most
 *     contextLength, or the model's where that is 0
 * @param batchTokens tokens of one step at most, prompts are read in chunks of it; 0 means what
 *     suits the backend
 * @param cacheEncoding one of {@link Encoding#caches}
 * @param maxSequences sequences that hold cache at the same time
 * @param pageTokens cache entries of a page
 * @param cachePages pages that all sequences share; 0 means as many as all of them need at full
 *     context. With fewer, sequences wait for each other and more of them may be admitted
 * @param repack whether a backend may copy weights into an order that suits the processor
 * @param speculation whether and how tokens to come are guessed
 * @param log what was chosen and why, a line each
 */
public record RuntimeOptions(
    Path model,
    Optional<String> backend,
    Optional<String> device,
    int threads,
    int contextLength,
    boolean fit,
    int batchTokens,
    Encoding cacheEncoding,
    int maxSequences,
    int pageTokens,
    int cachePages,
    boolean repack,
    Speculation speculation,
    Consumer<String> log) {

  public static final int DEFAULT_CONTEXT = 4096;

  public static RuntimeOptions of(Path model) {
    return new RuntimeOptions(
        model,
        Optional.empty(),
        Optional.empty(),
        0,
        0,
        false,
        0,
        Encoding.F16,
        1,
        64,
        0,
        true,
        Speculation.NONE,
        line -> {});
  }

  /** {@link #batchTokens} as they are for {@code provider}'s devices. */
  int batchTokens(BackendProvider provider) {
    return batchTokens > 0 ? batchTokens : provider.promptTokens();
  }

  public RuntimeOptions withBackend(String name) {
    return new RuntimeOptions(
        model,
        Optional.of(name),
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withDevice(String name) {
    return new RuntimeOptions(
        model,
        backend,
        Optional.of(name),
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withThreads(int count) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        count,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withContextLength(int tokens) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        tokens,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withFit() {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        true,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withBatchTokens(int tokens) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        tokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withCacheEncoding(Encoding encoding) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        encoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withMaxSequences(int count) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        count,
        pageTokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withPageTokens(int tokens) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        tokens,
        cachePages,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withCachePages(int count) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        count,
        repack,
        speculation,
        log);
  }

  public RuntimeOptions withRepack(boolean allowed) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        allowed,
        speculation,
        log);
  }

  public RuntimeOptions withSpeculation(Speculation how) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        how,
        log);
  }

  public RuntimeOptions withLog(Consumer<String> sink) {
    return new RuntimeOptions(
        model,
        backend,
        device,
        threads,
        contextLength,
        fit,
        batchTokens,
        cacheEncoding,
        maxSequences,
        pageTokens,
        cachePages,
        repack,
        speculation,
        sink);
  }
}
