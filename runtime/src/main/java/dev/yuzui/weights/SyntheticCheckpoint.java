package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Random weights in a published model's shapes, for benchmarks without a download; the text such a
 * model writes means nothing. Weights have mean 0 and standard deviation 1/√cols (embedding 1,
 * router 1.5/√cols, head 2/√cols), so that activations and routing stay in a real model's range.
 * Large tensors repeat runs of a pool of random blocks: memory traffic is a real model's, and
 * filling costs a copy.
 */
public final class SyntheticCheckpoint implements Checkpoint {
  private static final long POOL_BYTES = 4 << 20;
  private static final long ALIGNMENT = 64;

  /**
   * A tensor to be: {@code count} matrices of the part's shape under each other.
   *
   * @param offset in one piece of memory for all
   */
  private record Plan(
      String name, PartOf key, Encoding encoding, PartShape shape, int count, long offset) {
    long dataBytes() {
      return count * encoding.byteSize(shape.rows(), shape.cols());
    }

    long scaleCount() {
      return encoding instanceof Encoding.Fp8Tiled t
          ? count * t.scaleCount(shape.rows(), shape.cols())
          : 0;
    }

    long bytes() {
      return roundUp(dataBytes()) + roundUp(4 * scaleCount());
    }
  }

  private record Pool(Encoding encoding, double std) {}

  private final DeepseekConfig config;
  private final SyntheticMix mix;
  private final long seed;
  private final List<Plan> plans;
  private final Map<PartOf, HostTensor> tensors = new HashMap<>();
  private final Map<PartOf, List<HostTensor>> experts = new HashMap<>();
  private final Arena arena = Arena.ofShared();

  private SyntheticCheckpoint(DeepseekConfig config, SyntheticMix mix, long seed) {
    this.config = config;
    this.mix = mix;
    this.seed = seed;
    this.plans = plan();
  }

  /**
   * @param preset one of {@link #presets}
   * @param quant one of {@link #quants}
   * @param seed the same seed, the same weights
   * @throws IllegalArgumentException for names that are not in those lists
   */
  public static SyntheticCheckpoint create(String preset, String quant, long seed) {
    var checkpoint =
        new SyntheticCheckpoint(SyntheticPreset.config(preset), SyntheticMix.of(quant), seed);
    try {
      checkpoint.fill();
      return checkpoint;
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  public static List<String> presets() {
    return SyntheticPreset.names();
  }

  public static List<String> quants() {
    return SyntheticMix.names();
  }

  private List<Plan> plan() {
    List<Plan> out = new ArrayList<>();
    for (Part part : List.of(Part.EMBED, Part.FINAL_NORM, Part.HEAD)) {
      plan(out, part, 0);
    }
    for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
      Set<Part> parts = new LinkedHashSet<>(LayerParts.required(config, layer));
      parts.addAll(LayerParts.optional(config, layer));
      for (Part part : parts) {
        plan(out, part, layer);
      }
    }
    return List.copyOf(out);
  }

  private void plan(List<Plan> out, Part part, int layer) {
    long offset = out.isEmpty() ? 0 : out.getLast().offset + out.getLast().bytes();
    out.add(
        new Plan(
            TensorNames.GGUF.of(part, layer).orElseThrow(),
            new PartOf(part, layer),
            mix.encoding(part, layer, config),
            PartShape.of(part, config),
            LayerParts.EXPERTS.contains(part) ? config.gate().experts() : 1,
            offset));
  }

  private void fill() {
    long total = plans.getLast().offset + plans.getLast().bytes();
    Optional<MemorySegment> file =
        total > physicalMemory() / 2 ? Optional.of(temporaryFile(total)) : Optional.empty();
    Map<Pool, MemorySegment> pools = pools();
    // native memory is zeroed as it is allocated, which takes as long as the copies: both in
    // parallel
    List<MemorySegment> memory =
        plans.parallelStream()
            .map(
                p -> {
                  MemorySegment all =
                      file.map(f -> f.asSlice(p.offset, p.bytes()))
                          .orElseGet(() -> arena.allocate(p.bytes(), ALIGNMENT));
                  fill(p, all, pools);
                  return all;
                })
            .toList();
    for (int i = 0; i < plans.size(); i++) {
      publish(plans.get(i), memory.get(i));
    }
  }

  private Map<Pool, MemorySegment> pools() {
    Map<Pool, MemorySegment> pools = new HashMap<>();
    plans.stream()
        .filter(p -> !direct(p))
        .map(p -> new Pool(p.encoding, deviation(p)))
        .distinct()
        .forEach(p -> pools.put(p, MemorySegment.NULL));
    pools.entrySet().parallelStream()
        .forEach(
            e -> {
              Encoding encoding = e.getKey().encoding;
              long salt = encoding.label().hashCode() + Double.doubleToLongBits(e.getKey().std);
              long blocks = POOL_BYTES / encoding.blockBytes();
              MemorySegment pool = arena.allocate(blocks * encoding.blockBytes(), ALIGNMENT);
              SyntheticBlocks.fill(encoding, e.getKey().std, random(salt), pool);
              e.setValue(pool);
            });
    return pools;
  }

  private void fill(Plan plan, MemorySegment all, Map<Pool, MemorySegment> pools) {
    MemorySegment data = all.asSlice(0, plan.dataBytes());
    SplittableRandom random = random(plan.offset);
    if (plan.shape.rows() == 1 && plan.key.part() != Part.ROUTER_BIAS) {
      for (long i = 0; i < plan.shape.cols(); i++) {
        data.set(ValueLayout.JAVA_FLOAT, 4 * i, 1);
      }
    } else if (direct(plan)) {
      SyntheticBlocks.fill(plan.encoding, deviation(plan), random, data);
    } else {
      copyRuns(
          pools.get(new Pool(plan.encoding, deviation(plan))),
          plan.encoding.blockBytes(),
          random,
          data);
    }
    float scale = SyntheticBlocks.fp8Scale(deviation(plan));
    for (long i = 0; i < plan.scaleCount(); i++) {
      all.set(ValueLayout.JAVA_FLOAT, roundUp(plan.dataBytes()) + 4 * i, scale);
    }
  }

  /** Routers must not repeat, or experts would tie; small tensors need not. */
  private static boolean direct(Plan plan) {
    return plan.shape.rows() == 1
        || plan.key.part() == Part.ROUTER
        || plan.dataBytes() <= POOL_BYTES / 8;
  }

  private static void copyRuns(
      MemorySegment pool, int block, SplittableRandom random, MemorySegment out) {
    long blocks = pool.byteSize() / block;
    for (long at = 0; at < out.byteSize(); ) {
      long from = random.nextLong(blocks) * block;
      long n = Math.min(pool.byteSize() - from, out.byteSize() - at);
      MemorySegment.copy(pool, from, out, at, n);
      at += n;
    }
  }

  private static double deviation(Plan plan) {
    double gain =
        switch (plan.key.part()) {
          case ROUTER -> 1.5;
          case HEAD, MTP_HEAD -> 2;
          default -> 1;
        };
    return switch (plan.key.part()) {
      case EMBED, MTP_EMBED -> 1;
      case ROUTER_BIAS -> 0.05;
      default -> gain / Math.sqrt(plan.shape.cols());
    };
  }

  private SplittableRandom random(long salt) {
    return new SplittableRandom(seed * 0x9E3779B97F4A7C15L + salt);
  }

  private void publish(Plan p, MemorySegment all) {
    long rows = p.shape.rows();
    long cols = p.shape.cols();
    long bytes = p.dataBytes() / p.count;
    long scales = 4 * p.scaleCount() / p.count;
    List<HostTensor> matrices = new ArrayList<>(p.count);
    for (int i = 0; i < p.count; i++) {
      MemorySegment data = all.asSlice(i * bytes, bytes);
      Optional<MemorySegment> scale =
          scales == 0
              ? Optional.empty()
              : Optional.of(all.asSlice(roundUp(p.dataBytes()) + i * scales, scales));
      String name = LayerParts.EXPERTS.contains(p.key.part()) ? p.name + "[" + i + "]" : p.name;
      matrices.add(new HostTensor(name, p.encoding, rows, cols, data, scale));
    }
    if (LayerParts.EXPERTS.contains(p.key.part())) {
      experts.put(p.key, List.copyOf(matrices));
    } else {
      tensors.put(p.key, matrices.getFirst());
    }
  }

  private MemorySegment temporaryFile(long bytes) {
    try {
      Path file = Files.createTempFile("yuzui-synthetic", ".bin");
      try (FileChannel channel =
          FileChannel.open(
              file,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE)) {
        return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
      }
    } catch (IOException e) {
      throw new WeightException(
          path(),
          "temporary file",
          bytes + " bytes of disk for weights beyond half of the memory",
          String.valueOf(e.getMessage()),
          "free some space or choose a smaller model");
    }
  }

  private static long physicalMemory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean os
        ? os.getTotalMemorySize()
        : Long.MAX_VALUE;
  }

  private static long roundUp(long n) {
    return (n + ALIGNMENT - 1) & -ALIGNMENT;
  }

  @Override
  public Path path() {
    return Path.of("synthetic-" + config.name() + "-" + mix);
  }

  @Override
  public String format() {
    return "synthetic";
  }

  @Override
  public DeepseekConfig config() {
    return config;
  }

  @Override
  public HostTensor tensor(Part part, int layer) {
    return find(part, layer).orElseThrow(() -> WeightException.absent(path(), part, layer));
  }

  @Override
  public Optional<HostTensor> find(Part part, int layer) {
    return Optional.ofNullable(tensors.get(new PartOf(part, layer)));
  }

  @Override
  public List<HostTensor> experts(Part part, int layer) {
    return Optional.ofNullable(experts.get(new PartOf(part, layer)))
        .orElseThrow(() -> WeightException.absent(path(), part, layer));
  }

  @Override
  public List<Weight> weights() {
    return plans.stream()
        .map(p -> new Weight(p.encoding, p.shape.rows(), p.shape.cols(), p.count))
        .toList();
  }

  @Override
  public List<StoredTensor> stored() {
    return plans.stream()
        .map(
            p -> {
              List<Long> shape =
                  LayerParts.EXPERTS.contains(p.key.part())
                      ? List.of((long) p.count, p.shape.rows(), p.shape.cols())
                      : List.of(p.shape.rows(), p.shape.cols());
              long bytes = p.dataBytes() + 4 * p.scaleCount();
              return new StoredTensor(p.name, p.encoding.label(), shape, bytes, path());
            })
        .toList();
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of("general.name", config.name(), "quantisation", mix.name(), "seed", "" + seed);
  }

  @Override
  public VocabularySource vocabulary() {
    return new VocabularySource.None("synthetic weights have no vocabulary");
  }

  @Override
  public GenerationDefaults generationDefaults() {
    return GenerationDefaults.NONE;
  }

  @Override
  public void close() {
    arena.close();
  }
}
