package dev.yuzui.model;

import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.Exchanges;
import dev.yuzui.parallel.ExpertExchange;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.parallel.ExpertShard;
import dev.yuzui.parallel.LocalExperts;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/** Puts a checkpoint on devices. */
public final class ModelLoader {
  /** What DeepSeek's and GLM's code gives the norm of the indexer's keys. */
  private static final float INDEX_NORM_EPS = 1e-6f;

  private static final List<Part> ATTN_MIX =
      List.of(Part.HC_ATTN_FN, Part.HC_ATTN_BASE, Part.HC_ATTN_SCALE);
  private static final List<Part> FFN_MIX =
      List.of(Part.HC_FFN_FN, Part.HC_FFN_BASE, Part.HC_FFN_SCALE);
  private static final List<Part> HEAD_MIX =
      List.of(Part.HC_HEAD_FN, Part.HC_HEAD_BASE, Part.HC_HEAD_SCALE);
  private static final List<Part> MTP_MIX =
      List.of(Part.MTP_HC_FN, Part.MTP_HC_BASE, Part.MTP_HC_SCALE);

  private final Checkpoint checkpoint;
  private final DeepseekConfig config;
  private final DeviceGroup group;
  private final DevicePlan plan;
  private final Optional<Exchanges> exchanges;
  private final int contextLength;
  private final Encoding cacheEncoding;
  private final LongConsumer loadedBytes;
  private final List<DeviceBuffer> owned = new ArrayList<>();

  /** By device, of layers that compress and of others. */
  private final Map<Backend, Map<Boolean, CompressedAttention.Angles>> angles = new HashMap<>();

  /** By layer, for each rank. */
  private final Map<Integer, List<ExpertExchange>> experts = new TreeMap<>();

  private ModelLoader(
      Checkpoint checkpoint,
      DeviceGroup group,
      DevicePlan plan,
      Optional<Exchanges> exchanges,
      int contextLength,
      Encoding cacheEncoding,
      boolean qat,
      LongConsumer loadedBytes) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config().withQat(qat);
    this.group = group;
    this.plan = plan;
    this.exchanges = exchanges;
    this.contextLength = contextLength;
    this.cacheEncoding = cacheEncoding;
    this.loadedBytes = loadedBytes;
  }

  /**
   * A model for each rank and the device memory they own beside what the backends keep of {@link
   * Backend#upload}.
   *
   * @param owned closed by who holds this
   */
  public record Loaded(List<DeepseekModel> ranks, List<DeviceBuffer> owned)
      implements AutoCloseable {
    @Override
    public void close() {
      owned.forEach(DeviceBuffer::close);
    }
  }

  /**
   * @param exchanges where experts of a layer are on several devices
   * @param contextLength positions the RoPE tables cover
   * @param cacheEncoding what the KV cache is kept in
   * @param qat whether DeepSeek-V4 rounds what it keeps as it did in training
   * @param loadedBytes told the bytes of each tensor as it is done
   */
  public static Loaded load(
      Checkpoint checkpoint,
      DeviceGroup group,
      DevicePlan plan,
      Optional<Exchanges> exchanges,
      int contextLength,
      Encoding cacheEncoding,
      boolean qat,
      LongConsumer loadedBytes) {
    ModelLoader loader =
        new ModelLoader(
            checkpoint, group, plan, exchanges, contextLength, cacheEncoding, qat, loadedBytes);
    try {
      return loader.load();
    } catch (RuntimeException | Error e) {
      loader.giveUp(e);
      throw e;
    }
  }

  private void giveUp(Throwable because) {
    for (DeviceBuffer buffer : owned) {
      try {
        buffer.close();
      } catch (RuntimeException e) {
        because.addSuppressed(e);
      }
    }
  }

  private Loaded load() {
    for (int d = 0; d < group.size(); d++) {
      if (!group.backend(d).repeats()) {
        checkpoint.writeOut();
      }
    }
    for (int layer = 0; layer < plan.experts().size(); layer++) {
      if (config.isMoe(layer)) {
        experts.put(layer, experts(layer));
      }
    }
    List<DeepseekModel> ranks = new ArrayList<>();
    for (int rank = 0; rank < plan.ranks().size(); rank++) {
      ranks.add(rank(rank));
    }
    return new Loaded(ranks, owned);
  }

  private DeepseekModel rank(int rank) {
    List<Integer> devices = plan.ranks().get(rank);
    Map<Integer, Tensor> ropeTables = new HashMap<>();
    devices.forEach(
        d -> ropeTables.computeIfAbsent(d, _ -> ropeTable(group.backend(d), contextLength)));
    int last = config.layers() - 1;
    Backend first = group.backend(devices.getFirst());
    Backend end = group.backend(devices.get(last));
    boolean alone = devices.getFirst().equals(devices.get(last));
    boolean tied =
        alone && checkpoint.tensor(Part.HEAD, 0).equals(checkpoint.tensor(Part.EMBED, 0));
    Tensor embedding =
        tied ? weight(first, Part.EMBED, 0) : table(first, checkpoint.tensor(Part.EMBED, 0));
    Norm finalNorm = norm(end, Part.FINAL_NORM, 0, config.normEps());
    Tensor head = tied ? embedding : weight(end, Part.HEAD, 0);
    List<TransformerBlock> blocks = new ArrayList<>();
    for (int i = 0; i <= last; i++) {
      blocks.add(block(rank, i));
    }
    List<MultiTokenPredictor> predictors = new ArrayList<>();
    for (int i = config.layers(); i < config.layers() + config.mtpLayers(); i++) {
      if (!devices.get(i).equals(devices.get(last))) {
        throw new IllegalArgumentException(
            "MTP layer " + i + " is not where layer " + last + " is");
      }
      predictors.add(
          new MultiTokenPredictor(
              checkpoint
                  .find(Part.MTP_EMBED, i)
                  .map(t -> table(end, t))
                  .orElseGet(
                      () -> alone ? embedding : table(end, checkpoint.tensor(Part.EMBED, 0))),
              norm(end, Part.MTP_ENORM, i, config.normEps()),
              norm(end, Part.MTP_HNORM, i, config.normEps()),
              hyper().isEmpty()
                  ? new MultiTokenPredictor.Projection.Joint(weight(end, Part.MTP_PROJ, i))
                  : new MultiTokenPredictor.Projection.Apart(
                      weight(end, Part.MTP_PROJ_EMBED, i), weight(end, Part.MTP_PROJ_HIDDEN, i)),
              block(rank, i),
              hyper(),
              input(
                  end,
                  checkpoint.find(Part.MTP_NORM, i).isPresent()
                      ? norm(end, Part.MTP_NORM, i, config.normEps())
                      : finalNorm,
                  i,
                  MTP_MIX),
              find(end, Part.MTP_HEAD, i).orElse(head)));
    }
    return new DeepseekModel(
        config,
        devices,
        embedding,
        blocks,
        hyper(),
        input(end, finalNorm, 0, HEAD_MIX),
        head,
        predictors,
        ropeTables);
  }

  private TransformerBlock block(int rank, int layer) {
    Backend b = group.backend(plan.ranks().get(rank).get(layer));
    return new TransformerBlock(
        input(b, Part.ATTN_NORM, layer, ATTN_MIX),
        attention(b, layer),
        input(b, Part.FFN_NORM, layer, FFN_MIX),
        config.isMoe(layer)
            ? moe(b, rank, layer)
            : new DenseMlp(
                weight(b, Part.FFN_GATE, layer),
                weight(b, Part.FFN_UP, layer),
                weight(b, Part.FFN_DOWN, layer),
                config.swigluLimit()));
  }

  /** What a sublayer reads: a norm, of a mixture where there are several streams. */
  private Residual.Input input(Backend b, Part norm, int layer, List<Part> mix) {
    return input(b, norm(b, norm, layer, config.normEps()), layer, mix);
  }

  private Residual.Input input(Backend b, Norm norm, int layer, List<Part> mix) {
    return new Residual.Input(
        norm,
        config
            .hyperConnections()
            .map(
                _ ->
                    new HyperConnection(
                        asF32(b, checkpoint.tensor(mix.get(0), layer)),
                        asF32(b, checkpoint.tensor(mix.get(1), layer)),
                        asF32(b, checkpoint.tensor(mix.get(2), layer)))));
  }

  private Optional<HyperShape> hyper() {
    return config
        .hyperConnections()
        .map(h -> new HyperShape(h.streams(), h.iterations(), h.eps(), config.normEps()));
  }

  private Attention attention(Backend b, int layer) {
    return switch (config.attention()) {
      case AttentionConfig.Latent latent -> latent(b, layer, latent);
      case AttentionConfig.Grouped grouped -> grouped(b, layer, grouped);
      case AttentionConfig.Compressed compressed -> compressed(b, layer, compressed);
    };
  }

  private MultiHeadLatentAttention latent(Backend b, int layer, AttentionConfig.Latent a) {
    MultiHeadLatentAttention.Query query =
        a.qLoraRank() == 0
            ? new MultiHeadLatentAttention.Query.Direct(weight(b, Part.Q, layer))
            : new MultiHeadLatentAttention.Query.LowRank(
                weight(b, Part.Q_A, layer),
                norm(b, Part.Q_A_NORM, layer, a.normEps()),
                weight(b, Part.Q_B, layer));
    return new MultiHeadLatentAttention(
        layer,
        a.shape(config.softmaxScale()),
        query,
        weight(b, Part.KV_A, layer),
        norm(b, Part.KV_A_NORM, layer, a.normEps()),
        weight(b, Part.KEY_UP, layer),
        weight(b, Part.VALUE_UP, layer),
        weight(b, Part.ATTN_OUT, layer),
        a.indexer().filter(_ -> a.indexes(layer)).map(i -> indexer(b, layer, a, i)));
  }

  private LightningIndexer indexer(
      Backend b, int layer, AttentionConfig.Latent a, AttentionConfig.Indexer index) {
    return new LightningIndexer(
        layer,
        index.shape(a.rope(), rotated(index.head())),
        weight(b, Part.INDEX_Q, layer),
        weight(b, Part.INDEX_K, layer),
        norm(b, Part.INDEX_K_NORM, layer, INDEX_NORM_EPS),
        asF32(b, checkpoint.tensor(Part.INDEX_K_BIAS, layer)),
        weight(b, Part.INDEX_WEIGHTS, layer));
  }

  /** Where keys are kept in eight bits, as DeepSeek keeps them. */
  private boolean rotated(int head) {
    return cacheEncoding.byteSize(1, 32) < 64 && Integer.bitCount(head) == 1;
  }

  private CompressedAttention compressed(Backend b, int layer, AttentionConfig.Compressed a) {
    float eps = config.normEps();
    boolean compresses = a.compresses(layer);
    CompressedAttention.Angles angles = angles(b, compresses, a);
    Rounding rounding = a.qat() ? Rounding.E4M3 : Rounding.NONE;
    return new CompressedAttention(
        layer,
        new MlaShape(a.heads(), a.head(), 0, a.head(), a.head(), (float) (1 / Math.sqrt(a.head()))),
        weight(b, Part.Q_A, layer),
        norm(b, Part.Q_A_NORM, layer, eps),
        weight(b, Part.Q_B, layer),
        new Norm(ones(b, a.head()), eps),
        weight(b, Part.KV, layer),
        norm(b, Part.KV_NORM, layer, eps),
        asF32(b, checkpoint.tensor(Part.ATTN_SINKS, layer)),
        a.groups(),
        weight(b, Part.ATTN_OUT_A, layer),
        weight(b, Part.ATTN_OUT_B, layer),
        angles,
        a.window(),
        compresses
            ? Optional.of(
                new CompressedBlocks(
                    layer,
                    new CompressedBlocks.Compressor(
                        layer,
                        CacheStream.ENTRIES,
                        CacheStream.POOL,
                        weight(b, Part.COMPRESS_KV, layer),
                        weight(b, Part.COMPRESS_GATE, layer),
                        asF32(b, checkpoint.tensor(Part.COMPRESS_APE, layer)),
                        norm(b, Part.COMPRESS_NORM, layer, eps),
                        angles.there(),
                        rounding),
                    a.indexes(layer)
                        ? Optional.of(blockIndexer(b, layer, a, angles.there()))
                        : Optional.empty()))
            : Optional.empty(),
        rounding);
  }

  private CompressedBlocks.Indexer blockIndexer(
      Backend b, int layer, AttentionConfig.Compressed a, Tensor angles) {
    AttentionConfig.BlockIndexer index = a.indexer();
    return new CompressedBlocks.Indexer(
        layer,
        new IndexShape(index.heads(), index.head(), a.rope(), index.topK(), false),
        new CompressedBlocks.Compressor(
            layer,
            CacheStream.INDEX,
            CacheStream.INDEX_POOL,
            weight(b, Part.INDEX_COMPRESS_KV, layer),
            weight(b, Part.INDEX_COMPRESS_GATE, layer),
            asF32(b, checkpoint.tensor(Part.INDEX_COMPRESS_APE, layer)),
            norm(b, Part.INDEX_COMPRESS_NORM, layer, config.normEps()),
            angles,
            a.qat() ? Rounding.E2M1 : Rounding.NONE),
        weight(b, Part.INDEX_Q, layer),
        weight(b, Part.INDEX_WEIGHTS, layer));
  }

  /** Those of layers that compress and of the others, made once for each device. */
  private CompressedAttention.Angles angles(
      Backend b, boolean compresses, AttentionConfig.Compressed a) {
    return angles
        .computeIfAbsent(b, _ -> new HashMap<>())
        .computeIfAbsent(
            compresses,
            _ -> {
              double[] f =
                  compresses ? a.compressed().frequencies(a.rope()) : config.ropeFrequencies();
              double[] back = Arrays.stream(f).map(x -> -x).toArray();
              return new CompressedAttention.Angles(
                  ropeTable(b, contextLength, f, 1), ropeTable(b, contextLength, back, 1));
            });
  }

  private Tensor ones(Backend b, int count) {
    Tensor tensor = allocate(b, "ones", 1, count);
    float[] values = new float[count];
    Arrays.fill(values, 1);
    write(b, tensor, values);
    return tensor;
  }

  private GroupedQueryAttention grouped(Backend b, int layer, AttentionConfig.Grouped a) {
    return new GroupedQueryAttention(
        layer,
        a.shape(config.softmaxScale()),
        projection(b, Part.Q, Part.Q_BIAS, Optional.of(Part.Q_NORM), layer),
        projection(b, Part.K, Part.K_BIAS, Optional.of(Part.K_NORM), layer),
        projection(b, Part.V, Part.V_BIAS, Optional.empty(), layer),
        weight(b, Part.ATTN_OUT, layer),
        checkpoint.find(Part.ATTN_OUT_BIAS, layer).map(t -> asF32(b, t)));
  }

  private GroupedQueryAttention.Projection projection(
      Backend b, Part weight, Part bias, Optional<Part> norm, int layer) {
    return new GroupedQueryAttention.Projection(
        weight(b, weight, layer),
        checkpoint.find(bias, layer).map(t -> asF32(b, t)),
        norm.filter(part -> checkpoint.find(part, layer).isPresent())
            .map(part -> norm(b, part, layer, config.normEps())));
  }

  private DeepseekMoe moe(Backend b, int rank, int layer) {
    MoeGate gate =
        new MoeGate(
            weight(b, Part.ROUTER, layer),
            checkpoint.find(Part.ROUTER_BIAS, layer).map(t -> asF32(b, t)),
            config.hashes(layer)
                ? Optional.of(numbers(b, checkpoint.tensor(Part.ROUTER_TABLE, layer)))
                : Optional.empty(),
            config.gate());
    Optional<DenseMlp> shared =
        config.sharedExperts() == 0
            ? Optional.empty()
            : Optional.of(
                new DenseMlp(
                    weight(b, Part.SHARED_GATE, layer),
                    weight(b, Part.SHARED_UP, layer),
                    weight(b, Part.SHARED_DOWN, layer),
                    config.swigluLimit()));
    return new DeepseekMoe(layer, gate, experts.get(layer).get(rank), shared);
  }

  /** The way of each rank to the experts of a layer, which are loaded once for all. */
  private List<ExpertExchange> experts(int layer) {
    ExpertPlacement placement = plan.experts().get(layer).orElseThrow();
    List<Optional<ExpertShard>> shards = new ArrayList<>();
    for (int d = 0; d < group.size(); d++) {
      List<Integer> held = placement.devices().get(d);
      shards.add(
          held.isEmpty()
              ? Optional.empty()
              : Optional.of(new ExpertShard(held, experts(group.backend(d), layer, held))));
    }
    List<ExpertExchange> ranks = new ArrayList<>();
    Optional<DeviceExchange> exchange =
        plan.local(layer)
            ? Optional.empty()
            : Optional.of(exchanges.orElseThrow().add(layer, placement.experts(), shards));
    for (int rank = 0; rank < plan.ranks().size(); rank++) {
      int number = rank;
      int device = plan.ranks().get(rank).get(layer);
      ranks.add(
          exchange
              .map(e -> e.of(number, device))
              .orElseGet(() -> shards.get(device).orElseThrow().weights()));
    }
    return ranks;
  }

  private LocalExperts experts(Backend b, int layer, List<Integer> held) {
    return new LocalExperts(
        experts(b, Part.EXPERT_GATE, layer, held),
        experts(b, Part.EXPERT_UP, layer, held),
        experts(b, Part.EXPERT_DOWN, layer, held),
        config.swigluLimit());
  }

  private Tensor weight(Backend b, Part part, int layer) {
    return upload(b, checkpoint.tensor(part, layer));
  }

  private Optional<Tensor> find(Backend b, Part part, int layer) {
    return checkpoint.find(part, layer).map(t -> upload(b, t));
  }

  private Tensor upload(Backend b, HostTensor host) {
    Tensor tensor = b.upload(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor table(Backend b, HostTensor host) {
    Tensor tensor = b.uploadTable(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private ExpertWeights experts(Backend b, Part part, int layer, List<Integer> held) {
    String name = checkpoint.expertNames(part, layer).getFirst();
    try (Arena passing = Arena.ofShared()) {
      List<HostTensor> all = checkpoint.experts(part, layer, passing);
      if (b.borrowsExperts(all.get(held.getFirst()).encoding())) {
        all = checkpoint.experts(part, layer);
      }
      List<HostTensor> hosts = held.stream().map(all::get).toList();
      ExpertWeights weights = b.uploadExperts(name, hosts);
      loadedBytes.accept(hosts.stream().mapToLong(HostTensor::byteSize).sum());
      return weights;
    }
  }

  private Norm norm(Backend b, Part part, int layer, float eps) {
    return new Norm(asF32(b, checkpoint.tensor(part, layer)), eps);
  }

  /** Norm weights and biases are F32 on every device, whatever the file has. */
  private Tensor asF32(Backend b, HostTensor host) {
    Tensor tensor = allocate(b, host.name(), host.rows(), host.cols());
    write(b, tensor, Dequantizer.all(host));
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor ropeTable(Backend b, int positions) {
    return ropeTable(b, positions, config.ropeFrequencies(), config.ropeFactor());
  }

  private Tensor ropeTable(Backend b, int positions, double[] frequency, double factor) {
    int dims = 2 * frequency.length;
    float[] table = new float[Math.multiplyExact(positions, dims)];
    for (int p = 0; p < positions; p++) {
      for (int i = 0; i < frequency.length; i++) {
        double angle = p * frequency[i];
        table[p * dims + 2 * i] = (float) (Math.cos(angle) * factor);
        table[p * dims + 2 * i + 1] = (float) (Math.sin(angle) * factor);
      }
    }
    Tensor tensor = allocate(b, "rope_table", positions, dims);
    write(b, tensor, table);
    return tensor;
  }

  /** I32. */
  private Tensor numbers(Backend b, HostTensor host) {
    DeviceBuffer buffer = b.allocate(host.byteSize(), host.name());
    owned.add(buffer);
    Tensor tensor = new Tensor(host.name(), buffer, 0, Encoding.I32, host.rows(), host.cols());
    b.write(tensor, host.data());
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor allocate(Backend b, String name, long rows, long cols) {
    DeviceBuffer buffer = b.allocate(Encoding.F32.byteSize(rows, cols), name);
    owned.add(buffer);
    return new Tensor(name, buffer, 0, Encoding.F32, rows, cols);
  }

  private void write(Backend b, Tensor tensor, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
      b.write(tensor, segment);
    }
  }
}
