package dev.yuzui.engine;

import dev.yuzui.cache.LatentCacheStore;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a model needs of a device, before anything is opened or loaded.
 *
 * @param model its name
 * @param backend the device's
 * @param contextLength tokens of a sequence at most
 * @param weightBytes of the checkpoint's tensors
 * @param deviceWeightBytes of the device's memory for them; 0 where they stay in the mapped file
 * @param cacheBytesPerToken of one sequence, over all layers
 * @param cachePages that the sequences share
 * @param cacheBytes of them
 * @param scratchBytes activations, logits and tables of the largest step, estimated from above, and
 *     weights made from the stored ones at load where they are used in the host's memory
 * @param availableBytes free on the device
 * @param largestContext tokens of the longest context that fits with something to spare, at most
 *     the model's; 0 if none does
 * @param advice what to change, one of it each, for a model that does not fit
 */
public record MemoryPlan(
    String model,
    String backend,
    int contextLength,
    long weightBytes,
    long deviceWeightBytes,
    long cacheBytesPerToken,
    int cachePages,
    long cacheBytes,
    long scratchBytes,
    long availableBytes,
    int largestContext,
    List<String> advice) {

  /** This part of the free memory is left alone: for drivers, fragments and what else runs. */
  private static final int SPARE = 16;

  /**
   * @throws EngineException if the options ask for more context than the model has
   * @throws BackendException if the device is not usable
   */
  public static MemoryPlan of(
      Checkpoint checkpoint, BackendProvider provider, RuntimeOptions options) {
    DeepseekConfig c = checkpoint.config();
    Demand demand = Demand.of(checkpoint, provider, options);
    long available =
        switch (Backends.probe(provider, options.devices().stream().findFirst())) {
          case Probe.Usable(_, long bytes) -> bytes;
          case Probe.Unusable(String because, String fix) ->
              throw new BackendException(
                  "--backend " + provider.name() + " is not usable here: " + because, fix);
        };
    int largest = demand.largestContext(available, c.contextLength());
    int context = contextLength(c, options, largest);
    return new MemoryPlan(
        c.name(),
        provider.name(),
        context,
        checkpoint.byteSize(),
        demand.weights,
        demand.cachePerToken,
        demand.pages(context),
        demand.cache(context),
        demand.scratch(context),
        available,
        largest,
        demand.total(context) <= available
            ? List.of()
            : demand.advice(context, available, largest, options.cacheEncoding()));
  }

  private static int contextLength(DeepseekConfig c, RuntimeOptions options, int largest) {
    int asked = options.contextLength();
    if (asked > c.contextLength()) {
      throw new EngineException(
          "-c: expected at most the model's context of "
              + c.contextLength()
              + " tokens, found "
              + asked);
    }
    long held = (long) options.cachePages() * options.pageTokens();
    if (held > 0 && asked > held) {
      throw new EngineException(
          "-c: expected at most the "
              + held
              + " tokens that --cache-pages "
              + options.cachePages()
              + " holds, found "
              + asked
              + "; lower the one or raise the other");
    }
    int most = held > 0 ? (int) Math.min(held, c.contextLength()) : c.contextLength();
    if (options.fit() && largest > 0) {
      return Math.min(asked > 0 ? asked : most, largest);
    }
    return asked > 0 ? asked : Math.min(most, RuntimeOptions.DEFAULT_CONTEXT);
  }

  /**
   * Bytes by what they are for; contexts are whole pages.
   *
   * @param weights on the device
   * @param repacked of {@code weights}, what --no-repack saves
   * @param mapped that the device reads where the file is mapped
   * @param step activations and logits of the largest step, and weights made at load
   * @param cachePerToken of one sequence
   * @param tablePerToken of the RoPE table
   * @param fixedPages of the cache, 0 if it grows with the context
   */
  private record Demand(
      long weights,
      long repacked,
      long mapped,
      long step,
      long cachePerToken,
      long smallestCachePerToken,
      long tablePerToken,
      int sequences,
      int pageTokens,
      int fixedPages) {

    static Demand of(Checkpoint checkpoint, BackendProvider provider, RuntimeOptions options) {
      DeepseekConfig c = checkpoint.config();
      int layers = c.layers() + c.mtpLayers();
      long weights = weights(checkpoint, provider, options.repack());
      boolean mapped = weights == 0;
      return new Demand(
          weights,
          options.repack() ? weights - weights(checkpoint, provider, false) : 0,
          mapped ? checkpoint.byteSize() : 0,
          step(c, options.batchTokens(provider)) + (mapped ? checkpoint.derivedBytes() : 0),
          LatentCacheStore.bytesPerToken(layers, c.cacheEntry(), options.cacheEncoding()),
          LatentCacheStore.bytesPerToken(layers, c.cacheEntry(), Encoding.E4M3),
          4L * c.ropeHeadDim(),
          options.maxSequences(),
          options.pageTokens(),
          options.cachePages());
    }

    private static long weights(Checkpoint checkpoint, BackendProvider provider, boolean repack) {
      return checkpoint.weights().stream()
          .mapToLong(w -> provider.weightBytes(w.encoding(), w.rows(), w.cols(), w.count(), repack))
          .sum();
    }

    /** The widest layer's activations, the logits and the best of them. */
    private static long step(DeepseekConfig c, long tokens) {
      long attention =
          (long) c.heads() * (2L * (c.nopeHeadDim() + c.ropeHeadDim()) + 2L * c.cacheEntry());
      long dense = 2L * c.denseWidth();
      long experts = (long) c.gate().used() * (2L * c.expertWidth() + c.hiddenSize());
      long row = 8L * c.hiddenSize() + Math.max(attention, Math.max(dense, experts));
      long output = c.vocabSize() + c.hiddenSize() + 2L * Ops.MAX_TOP_K;
      return 4 * (tokens * row + StepRunner.MAX_OUTPUTS * output);
    }

    int pages(int context) {
      return fixedPages > 0
          ? fixedPages
          : Math.multiplyExact(Math.ceilDiv(context, pageTokens), sequences);
    }

    private long cacheEntries(int context) {
      return (long) pages(context) * pageTokens;
    }

    long cache(int context) {
      return Math.multiplyExact(cacheEntries(context), cachePerToken);
    }

    long scratch(int context) {
      return step + (long) Math.ceilDiv(context, pageTokens) * pageTokens * tablePerToken;
    }

    long total(int context) {
      return weights + cache(context) + scratch(context);
    }

    int largestContext(long available, int most) {
      long room = available - available / SPARE - weights - step;
      // what is read from the file is quicker from memory: up to half of the room is for that
      room -= Math.min(mapped, Math.max(0, room) / 2);
      if (fixedPages > 0) {
        room -= cache(0);
        most = (int) Math.min(most, cacheEntries(0));
      }
      long cachedAtOnce = fixedPages > 0 ? 0 : sequences;
      long page = pageTokens * (cachedAtOnce * cachePerToken + tablePerToken);
      return (int) Math.min(most, Math.max(0, room) / page * pageTokens);
    }

    List<String> advice(int context, long available, int largest, Encoding cacheEncoding) {
      List<String> out = new ArrayList<>();
      if (largest > 0) {
        out.add("-c " + largest + " or less (--fit takes the most that fits)");
      }
      if (fixedPages > 0) {
        out.add("a smaller --cache-pages");
      }
      long saved = cacheEntries(context) * (cachePerToken - smallestCachePerToken);
      if (!cacheEncoding.equals(Encoding.E4M3) && total(context) - saved <= available) {
        out.add("--kv-cache-dtype fp8");
      }
      if (total(context) > available && total(context) - repacked <= available) {
        out.add("--no-repack, which is slower");
      }
      if (largest == 0 && weights > 0) {
        long most = available - available / SPARE - (total(pageTokens) - weights);
        out.add(
            most > 0 ? "a smaller quantisation, of " + size(most) + " at most" : "a smaller model");
        out.add("another --device or --backend");
      }
      if (out.isEmpty()) {
        out.add("a smaller -b");
      }
      return List.copyOf(out);
    }
  }

  /** Whether the device multiplies weights where the file is mapped. */
  public boolean mapped() {
    return deviceWeightBytes == 0;
  }

  /** Of the device's memory. */
  public long totalBytes() {
    return deviceWeightBytes + cacheBytes + scratchBytes;
  }

  public long missingBytes() {
    return Math.max(0, totalBytes() - availableBytes);
  }

  public boolean fits() {
    return missingBytes() == 0;
  }

  /** What to tell someone whose model does not fit. */
  public String complaint() {
    return model
        + " does not fit on "
        + backend
        + ": "
        + (mapped() ? "" : size(deviceWeightBytes) + " of weights, ")
        + size(cacheBytes)
        + " of cache for "
        + contextLength
        + " tokens and "
        + size(scratchBytes)
        + " of working space make "
        + size(totalBytes())
        + ", "
        + size(missingBytes())
        + " more than the "
        + size(availableBytes)
        + " free; use "
        + String.join(", or ", advice);
  }

  private static String size(long bytes) {
    return bytes < 1 << 30
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / 0x1p20)
        : String.format(Locale.ROOT, "%.1f GiB", bytes / 0x1p30);
  }
}
