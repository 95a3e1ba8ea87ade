package dev.yuzui.engine.plan;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCacheStore.RingSize;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Where the parts of a model go and what that needs of the devices, before anything is opened or
 * loaded.
 *
 * @param model its name
 * @param devices those that are used, as {@code layout} numbers them
 * @param layout which device has which part
 * @param reasons why it is laid so, a line each; nothing where there was no choice
 * @param contextLength tokens of a sequence at most
 * @param weightBytes of the checkpoint's tensors
 * @param cacheBytesPerToken of one sequence, over all layers
 * @param cachePages that the sequences of a rank share
 * @param rankSequences that hold cache in a rank at the same time
 * @param largestContext tokens of the longest context that fits with something to spare, at most
 *     the model's; 0 if none does
 * @param advice what to change, one of it each, for a model that does not fit
 */
public record MemoryPlan(
    String model,
    List<DeviceMemory> devices,
    DevicePlan layout,
    List<String> reasons,
    int contextLength,
    long weightBytes,
    long cacheBytesPerToken,
    int cachePages,
    int rankSequences,
    int largestContext,
    List<String> advice) {

  /**
   * @param devices those of {@link Backends#devices}
   * @throws EngineException if the options ask for more context than the model has, or cannot be
   *     met by these devices and this model
   * @throws BackendException if a device is not usable
   */
  public static MemoryPlan of(Checkpoint checkpoint, List<Device> devices, RuntimeOptions asked) {
    DeepseekConfig c = checkpoint.config();
    RuntimeOptions options = suited(c, asked);
    requireWholeBlocks(c, options.cache().encoding());
    int most = mostContext(c, options);
    ExpertUse use = ExpertUse.of(checkpoint, options.distribution().loads());
    List<DeviceRoom> rooms = DeviceRoom.of(checkpoint, devices, options);
    int planned = Math.min(most, RuntimeOptions.DEFAULT_CONTEXT);
    Layout layout =
        options.fit() && options.distribution().isOpen()
            ? new Fitting(checkpoint, rooms, options, use, most).layout()
            : new Planner(
                    checkpoint,
                    rooms,
                    options,
                    use,
                    options.contextLength() > 0 ? options.contextLength() : planned)
                .layout(options.distribution());
    int largest = layout.largestContext(c.contextLength());
    int context =
        options.fit() && largest > 0
            ? Math.min(most, largest)
            : options.contextLength() > 0 ? options.contextLength() : planned;
    DeviceDemand any = layout.demands().getFirst();
    return new MemoryPlan(
        c.name(),
        IntStream.range(0, layout.rooms().size())
            .mapToObj(d -> DeviceMemory.of(layout.rooms().get(d), layout.demands().get(d), context))
            .toList(),
        layout.plan(),
        layout.reasons(),
        context,
        checkpoint.byteSize(),
        KvCacheStore.bytesPerToken(c.cacheStreams(), options.cache().encoding()),
        any.pages(context),
        any.sequences(),
        largest,
        advice(layout, context, largest, options));
  }

  /** With pages of whole blocks, where the model keeps rows of several tokens. */
  public static RuntimeOptions suited(DeepseekConfig c, RuntimeOptions options) {
    int asked = options.cache().pageTokens();
    int tokens = c.pageTokens(asked);
    if (tokens == asked) {
      return options;
    }
    long held = (long) options.cache().pages() * asked;
    return options
        .withPageTokens(tokens)
        .withCachePages(Math.toIntExact(Math.ceilDiv(held, tokens)));
  }

  /** Rows that rings have beside what the next step needs. */
  public static RingSize ringSize(RuntimeOptions options, int stepTokens) {
    return new RingSize(stepTokens, options.speculation().mostDrafts());
  }

  private static void requireWholeBlocks(DeepseekConfig c, Encoding cache) {
    IntStream parts =
        c.attention() instanceof AttentionConfig.Grouped grouped
            ? IntStream.of(2 * grouped.head()) // heads are read one by one
            : c.cacheStreams().stream()
                .flatMap(List::stream)
                .filter(stream -> !stream.exact())
                .mapToInt(CacheStream::width);
    int part = parts.filter(n -> n % cache.blockElements() != 0).findFirst().orElse(0);
    if (part > 0) {
      throw new EngineException(
          "KvCacheOptions.encoding "
              + cache.label()
              + ": expected a cache entry of whole blocks of "
              + cache.blockElements()
              + " numbers, found this model's "
              + part
              + "; use f16, bf16, fp8 or f32");
    }
  }

  /** What the options ask for, else all that the model and the pages allow. */
  private static int mostContext(DeepseekConfig c, RuntimeOptions options) {
    int asked = options.contextLength();
    if (asked > c.contextLength()) {
      throw new EngineException(
          "RuntimeOptions.contextLength: expected at most the model's context of "
              + c.contextLength()
              + " tokens, found "
              + asked);
    }
    long held = (long) options.cache().pages() * options.cache().pageTokens();
    if (held > 0 && asked > held) {
      throw new EngineException(
          "RuntimeOptions.contextLength: expected at most the "
              + held
              + " tokens that KvCacheOptions.pages "
              + options.cache().pages()
              + " holds, found "
              + asked
              + "; lower the one or raise the other");
    }
    int most = held > 0 ? (int) Math.min(held, c.contextLength()) : c.contextLength();
    return asked > 0 ? asked : most;
  }

  /** For the device that misses the most. */
  private static List<String> advice(
      Layout layout, int context, int largest, RuntimeOptions options) {
    List<String> out = new ArrayList<>();
    IntStream.range(0, layout.rooms().size())
        .filter(d -> missing(layout, d, context) > 0)
        .boxed()
        .max((a, b) -> Long.compare(missing(layout, a, context), missing(layout, b, context)))
        .ifPresent(
            d -> {
              DeviceDemand demand = layout.demands().get(d);
              out.addAll(
                  demand.advice(
                      context,
                      layout.rooms().get(d).available(),
                      largest,
                      options.cache().encoding()));
              boolean apart =
                  layout.plan().experts(d) > 0 && !layout.rooms().get(d).device().provider().host();
              if (largest == 0 && apart && !options.fit()) {
                out.add("RuntimeOptions.fit, which keeps experts on the CPU if need be");
              }
            });
    return List.copyOf(out);
  }

  private static long missing(Layout layout, int device, int context) {
    return layout.demands().get(device).total(context) - layout.rooms().get(device).available();
  }

  private long sum(ToLongFunction<DeviceMemory> of) {
    return devices.stream().mapToLong(of).sum();
  }

  /** Names of the devices. */
  public String backend() {
    return devices.stream().map(d -> d.device().name()).collect(Collectors.joining(", "));
  }

  /** Of all devices' memory. */
  public long deviceWeightBytes() {
    return sum(DeviceMemory::weightBytes);
  }

  public long cacheBytes() {
    return sum(DeviceMemory::cacheBytes);
  }

  /** Working space, and what devices exchange. */
  public long scratchBytes() {
    return sum(d -> d.scratchBytes() + d.exchangeBytes());
  }

  /** Free on all devices. */
  public long availableBytes() {
    return sum(DeviceMemory::availableBytes);
  }

  /** Whether the devices multiply weights where the file is mapped. */
  public boolean mapped() {
    return deviceWeightBytes() == 0;
  }

  /** Of the devices' memory. */
  public long totalBytes() {
    return sum(DeviceMemory::totalBytes);
  }

  public long missingBytes() {
    return sum(DeviceMemory::missingBytes);
  }

  public boolean fits() {
    return missingBytes() == 0;
  }

  /** What to tell someone whose model does not fit. */
  public String complaint() {
    return model
        + " does not fit on "
        + devices.stream()
            .filter(d -> d.missingBytes() > 0)
            .map(this::complaint)
            .collect(Collectors.joining("; nor on "))
        + "; use "
        + String.join(", or ", advice);
  }

  private String complaint(DeviceMemory d) {
    return d.device().name()
        + ": "
        + (d.weightBytes() == 0 ? "" : size(d.weightBytes()) + " of weights, ")
        + size(d.cacheBytes())
        + " of cache for "
        + contextLength
        + " tokens"
        + (d.exchangeBytes() == 0
            ? ""
            : ", " + size(d.exchangeBytes()) + " for the exchange of rows")
        + " and "
        + size(d.scratchBytes())
        + " of working space make "
        + size(d.totalBytes())
        + ", "
        + size(d.missingBytes())
        + " more than the "
        + size(d.availableBytes())
        + " free";
  }

  static String size(long bytes) {
    return bytes < 1 << 30
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / 0x1p20)
        : String.format(Locale.ROOT, "%.1f GiB", bytes / 0x1p30);
  }
}
