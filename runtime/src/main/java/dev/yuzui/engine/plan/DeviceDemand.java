package dev.yuzui.engine.plan;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.model.Step;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Bytes that a plan asks of a device, by what they are for; contexts are whole pages.
 *
 * @param weights on the device
 * @param repacked of {@code weights}, what --no-repack saves
 * @param mapped that the device reads where the file is mapped
 * @param step activations and logits of the largest step, and weights made at load
 * @param exchange rows that come from other devices and go there
 * @param cachePerToken of one sequence, over the layers that are here
 * @param tablePerToken of the RoPE table
 * @param sequences that hold cache here
 * @param fixedPages of the cache, 0 if it grows with the context
 */
record DeviceDemand(
    long weights,
    long repacked,
    long mapped,
    long step,
    long exchange,
    long cachePerToken,
    long smallestCachePerToken,
    long tablePerToken,
    int sequences,
    int pageTokens,
    int fixedPages) {

  /** This part of the free memory is left alone: for drivers, fragments and what else runs. */
  private static final int SPARE = 16;

  /**
   * @param rooms of the plan's devices, whose steps are as long as suits the first
   */
  static DeviceDemand of(
      Checkpoint checkpoint,
      DevicePlan plan,
      int device,
      List<DeviceRoom> rooms,
      RuntimeOptions options) {
    DeviceRoom room = rooms.get(device);
    DeepseekConfig c = checkpoint.config();
    int layers = plan.layers(device);
    int allLayers = c.layers() + c.mtpLayers();
    long weights = room.weights().on(device, plan);
    long mapped = weights == 0 ? room.stored().on(device, plan) : 0;
    int sequences = Math.ceilDiv(options.maxSequences(), plan.ranks().size());
    long tokens = options.batchTokens(rooms.getFirst().device().provider());
    return new DeviceDemand(
        weights,
        options.repack() ? weights - room.mappedWeights().on(device, plan) : 0,
        mapped,
        step(c, tokens, sequences, layers > 0)
            + rings(c, plan, device, options, tokens)
            + (mapped > 0 ? checkpoint.derivedBytes() * layers / allLayers : 0),
        exchange(c, plan, tokens),
        cachePerToken(c, plan, device, options.cache().encoding()),
        cachePerToken(c, plan, device, Encoding.E4M3),
        layers > 0 ? 4L * c.attention().rope() * ropeTables(c) : 0,
        sequences,
        options.cache().pageTokens(),
        options.cache().pages());
  }

  /** What sequences keep of their last tokens, of the rank that has most of it here. */
  private static long rings(
      DeepseekConfig c, DevicePlan plan, int device, RuntimeOptions options, long tokens) {
    int sequences = Math.ceilDiv(options.maxSequences(), plan.ranks().size());
    return plan.ranks().stream()
        .mapToLong(
            rank ->
                KvCacheStore.ringBytes(
                    IntStream.range(0, rank.size())
                        .filter(layer -> rank.get(layer) == device)
                        .mapToObj(c::cacheStreams)
                        .toList(),
                    options.cache().encoding(),
                    MemoryPlan.ringSize(options, Math.toIntExact(tokens)),
                    sequences))
        .max()
        .orElse(0);
  }

  /** Of the rank that has most of its layers here. */
  private static long cachePerToken(
      DeepseekConfig c, DevicePlan plan, int device, Encoding encoding) {
    return plan.ranks().stream()
        .mapToLong(
            rank ->
                KvCacheStore.bytesPerToken(
                    IntStream.range(0, rank.size())
                        .filter(layer -> rank.get(layer) == device)
                        .mapToObj(c::cacheStreams)
                        .toList(),
                    encoding))
        .max()
        .orElse(0);
  }

  private static int ropeTables(DeepseekConfig c) {
    return c.attention() instanceof AttentionConfig.Compressed ? 5 : 1;
  }

  /** The widest layer's activations, the logits and the best of them; without attention less. */
  private static long step(DeepseekConfig c, long tokens, int sequences, boolean attends) {
    long attention =
        switch (c.attention()) {
          case AttentionConfig.Latent a ->
              a.heads() * (2L * a.query() + 2L * a.cacheEntry())
                  + a.indexer().map(i -> (long) i.heads() * i.head() + i.topK()).orElse(0L);
          case AttentionConfig.Grouped a -> 2L * a.heads() * a.head() + a.cacheEntry();
          case AttentionConfig.Compressed a ->
              2L * a.heads() * a.head()
                  + 4L * a.head()
                  + (long) a.groups() * a.groupRank()
                  + (long) a.indexer().heads() * a.indexer().head()
                  + a.indexer().topK();
        };
    long dense = 2L * c.denseWidth();
    long experts = (long) c.gate().used() * (2L * c.expertWidth() + c.hiddenSize());
    if (!attends) {
      return 4 * tokens * (c.hiddenSize() + experts);
    }
    long row = 8L * c.hiddenSize() + Math.max(attention, Math.max(dense, experts));
    long output = c.vocabSize() + c.hiddenSize() + 2L * Ops.MAX_TOP_K;
    return 4 * (tokens * row + Step.outputs(Math.toIntExact(tokens), sequences) * output);
  }

  /**
   * A row goes to each device that holds experts of its choice, those that come are computed as
   * many at a time as a step has; layers pass on the state of their rows.
   */
  private static long exchange(DeepseekConfig c, DevicePlan plan, long tokens) {
    if (plan.devices() == 1) {
      return 0;
    }
    long copies = Math.min(c.gate().used(), plan.devices());
    return 4 * tokens * ((copies + 2) * c.hiddenSize() + 2L * (c.gate().used() + copies));
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
    return weights + cache(context) + scratch(context) + exchange;
  }

  /** Of {@code available}, what a plan may use. */
  static long usable(long available) {
    return available - available / SPARE;
  }

  int largestContext(long available, int most) {
    long room = usable(available) - weights - step - exchange;
    // what is read from the file is quicker from memory: up to half of the room is for that
    room -= Math.min(mapped, Math.max(0, room) / 2);
    if (fixedPages > 0) {
      room -= cache(0);
      most = (int) Math.min(most, cacheEntries(0));
    }
    long cachedAtOnce = fixedPages > 0 ? 0 : sequences;
    long page = pageTokens * (cachedAtOnce * cachePerToken + tablePerToken);
    long pages = page == 0 ? (room < 0 ? 0 : most) : Math.max(0, room) / page;
    return (int) Math.min(most, pages * pageTokens);
  }

  /** What to change so that it fits, one of it each. */
  List<String> advice(int context, long available, int largest, Encoding cacheEncoding) {
    List<String> out = new ArrayList<>();
    if (largest > 0) {
      out.add(
          "RuntimeOptions.contextLength "
              + largest
              + " or less (RuntimeOptions.fit takes the most that fits)");
    }
    if (fixedPages > 0) {
      out.add("a smaller KvCacheOptions.pages");
    }
    long saved = cacheEntries(context) * (cachePerToken - smallestCachePerToken);
    if (!cacheEncoding.equals(Encoding.E4M3) && total(context) - saved <= available) {
      out.add("KvCacheOptions.encoding fp8");
    }
    if (total(context) > available && total(context) - repacked <= available) {
      out.add("RuntimeOptions.withRepack(false), which is slower");
    }
    if (largest == 0 && weights > 0) {
      long most = usable(available) - (total(pageTokens) - weights);
      out.add(
          most > 0
              ? "a smaller quantisation, of " + MemoryPlan.size(most) + " at most"
              : "a smaller model");
      out.add("another RuntimeOptions.devices or RuntimeOptions.backend");
    }
    if (out.isEmpty()) {
      out.add("a smaller RuntimeOptions.batchTokens");
    }
    return List.copyOf(out);
  }
}
