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
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Random weights in a published model's shapes, for benchmarks without a download; the text such a
 * model writes means nothing. Weights have mean 0 and standard deviation 1/√cols (embedding 1,
 * router 1.5/√cols, head 2/√cols), so that activations and routing stay in a real model's range.
 * Large tensors repeat a pool of random blocks, each from a block of its own: memory traffic is a
 * real model's, and filling costs a copy, or nothing where the device makes it.
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
    long matrixBytes() {
      return encoding.byteSize(shape.rows(), shape.cols());
    }

    long dataBytes() {
      return count * matrixBytes();
    }

    long scaleCount() {
      return encoding instanceof Encoding.Fp8Tiled t
          ? count * t.scaleCount(shape.rows(), shape.cols())
          : 0;
    }

    long bytes() {
      return roundUp(dataBytes());
    }
  }

  private record Pool(Encoding encoding, double std) {}

  private final DeepseekConfig config;
  private final SyntheticMix mix;
  private final long seed;
  private final List<Plan> plans;
  private final Map<PartOf, List<HostTensor>> matrices = new HashMap<>();
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
    SyntheticCheckpoint checkpoint = repeating(preset, quant, seed);
    try {
      checkpoint.writeOut();
      return checkpoint;
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  /**
   * As {@link #create}, the same weights, but the large ones repeat a pool until {@link #writeOut}
   * puts them in memory.
   */
  public static SyntheticCheckpoint repeating(String preset, String quant, long seed) {
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
    for (Part part : LayerParts.ofModel(config)) {
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
            PartShape.of(part, layer, config),
            LayerParts.EXPERTS.contains(part) ? config.gate().experts() : 1,
            offset));
  }

  private void fill() {
    Map<Pool, MemorySegment> pools = pools();
    for (Plan plan : plans) {
      if (direct(plan)) {
        MemorySegment data = arena.allocate(plan.dataBytes(), ALIGNMENT);
        fill(plan, data);
        publish(plan, i -> matrix(plan, i, slice(plan, i, data), OptionalLong.empty()));
      } else {
        MemorySegment pool = pools.get(new Pool(plan.encoding, deviation(plan)));
        int block = plan.encoding.blockBytes();
        long start = random(plan.offset).nextLong(pool.byteSize() / block) * block;
        publish(
            plan,
            i ->
                matrix(
                    plan,
                    i,
                    pool,
                    OptionalLong.of((start + i * plan.matrixBytes()) % pool.byteSize())));
      }
    }
  }

  @Override
  public void writeOut() {
    List<Plan> repeating =
        plans.stream()
            .filter(p -> matrices.get(p.key).getFirst().repeatsFrom().isPresent())
            .toList();
    long total = plans.getLast().offset + plans.getLast().bytes();
    Optional<MemorySegment> file =
        !repeating.isEmpty() && total > physicalMemory() / 2
            ? Optional.of(temporaryFile(total))
            : Optional.empty();
    // native memory is zeroed as it is allocated, which takes as long as the copies: both in
    // parallel
    List<List<HostTensor>> written =
        repeating.parallelStream()
            .map(
                p -> {
                  MemorySegment all =
                      file.map(f -> f.asSlice(p.offset, p.dataBytes()))
                          .orElseGet(() -> arena.allocate(p.dataBytes(), ALIGNMENT));
                  List<HostTensor> before = matrices.get(p.key);
                  return IntStream.range(0, p.count)
                      .mapToObj(i -> before.get(i).writtenOut(slice(p, i, all)))
                      .toList();
                })
            .toList();
    for (int i = 0; i < repeating.size(); i++) {
      matrices.put(repeating.get(i).key, written.get(i));
    }
  }

  private static MemorySegment slice(Plan plan, int matrix, MemorySegment all) {
    return all.asSlice(matrix * plan.matrixBytes(), plan.matrixBytes());
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
              // odd, so that no row of a power of two finds itself again
              long blocks = (POOL_BYTES / encoding.blockBytes() - 1) | 1;
              MemorySegment pool = arena.allocate(blocks * encoding.blockBytes(), ALIGNMENT);
              SyntheticBlocks.fill(encoding, e.getKey().std, random(salt), pool);
              e.setValue(pool);
            });
    return pools;
  }

  private void fill(Plan plan, MemorySegment data) {
    if (plan.key.part() == Part.ROUTER_TABLE) {
      table(plan, data);
    } else if (plan.shape.rows() == 1 && plan.key.part() != Part.ROUTER_BIAS) {
      for (long i = 0; i < plan.shape.cols(); i++) {
        data.set(ValueLayout.JAVA_FLOAT, 4 * i, 1);
      }
    } else {
      SyntheticBlocks.fill(plan.encoding, deviation(plan), random(plan.offset), data);
    }
  }

  /** Experts for each token, no one twice. */
  private void table(Plan plan, MemorySegment data) {
    SplittableRandom random = random(plan.offset);
    int[] experts = IntStream.range(0, config.gate().experts()).toArray();
    int used = config.gate().used();
    for (long row = 0; row < plan.shape.rows(); row++) {
      for (int k = 0; k < used; k++) {
        int other = random.nextInt(k, experts.length);
        int taken = experts[other];
        experts[other] = experts[k];
        experts[k] = taken;
        data.setAtIndex(ValueLayout.JAVA_INT, row * used + k, taken);
      }
    }
  }

  /** Routers must not repeat, or experts would tie; small tensors need not. */
  private static boolean direct(Plan plan) {
    return plan.shape.rows() == 1
        || plan.key.part() == Part.ROUTER
        || plan.key.part() == Part.ROUTER_TABLE
        || plan.dataBytes() <= POOL_BYTES / 8;
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

  private void publish(Plan p, IntFunction<HostTensor> matrix) {
    matrices.put(p.key, IntStream.range(0, p.count).mapToObj(matrix).toList());
  }

  private HostTensor matrix(Plan p, int i, MemorySegment data, OptionalLong repeatsFrom) {
    boolean expert = LayerParts.EXPERTS.contains(p.key.part());
    return new HostTensor(
        expert ? p.name + "[" + i + "]" : p.name,
        p.encoding,
        p.shape.rows(),
        p.shape.cols(),
        data,
        scales(p),
        repeatsFrom);
  }

  /** One scale for every tile of FP8. */
  private Optional<MemorySegment> scales(Plan p) {
    if (!(p.encoding instanceof Encoding.Fp8Tiled fp8)) {
      return Optional.empty();
    }
    long n = fp8.scaleCount(p.shape.rows(), p.shape.cols());
    MemorySegment scales = arena.allocate(4 * n, ALIGNMENT);
    for (long i = 0; i < n; i++) {
      scales.set(ValueLayout.JAVA_FLOAT, 4 * i, SyntheticBlocks.fp8Scale(deviation(p)));
    }
    return Optional.of(scales);
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
    return Optional.ofNullable(matrices.get(new PartOf(part, layer)))
        .filter(_ -> !LayerParts.EXPERTS.contains(part))
        .map(List::getFirst);
  }

  @Override
  public List<HostTensor> experts(Part part, int layer) {
    return Optional.ofNullable(matrices.get(new PartOf(part, layer)))
        .filter(_ -> LayerParts.EXPERTS.contains(part))
        .orElseThrow(() -> WeightException.absent(path(), part, layer));
  }

  @Override
  public List<Weight> weights() {
    return plans.stream()
        .map(
            p ->
                new Weight(
                    p.key.part(),
                    p.key.layer(),
                    p.encoding,
                    p.shape.rows(),
                    p.shape.cols(),
                    p.count))
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
  public String fingerprint() {
    Map<PartOf, List<MatrixSource>> sources = new HashMap<>();
    matrices.forEach(
        (key, all) ->
            sources.put(key, all.stream().<MatrixSource>map(MatrixSource.Mapped::new).toList()));
    return Fingerprint.of(metadata(), sources);
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
