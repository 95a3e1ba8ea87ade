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
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/** Puts a checkpoint on devices. */
public final class ModelLoader {
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
  private final LongConsumer loadedBytes;
  private final WeightUploader uploads;
  private final AttentionLoader attention;

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
    this.loadedBytes = loadedBytes;
    this.uploads = new WeightUploader(checkpoint, loadedBytes);
    this.attention = new AttentionLoader(checkpoint, config, uploads, contextLength, cacheEncoding);
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
    for (DeviceBuffer buffer : uploads.owned()) {
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
    return new Loaded(ranks, uploads.owned());
  }

  private DeepseekModel rank(int rank) {
    List<Integer> devices = plan.ranks().get(rank);
    Map<Integer, Tensor> ropeTables = new HashMap<>();
    devices.forEach(
        d ->
            ropeTables.computeIfAbsent(
                d,
                _ ->
                    uploads.ropeTable(
                        group.backend(d),
                        contextLength,
                        config.ropeFrequencies(),
                        config.ropeFactor())));
    int last = config.layers() - 1;
    Backend first = group.backend(devices.getFirst());
    Backend end = group.backend(devices.get(last));
    boolean alone = devices.getFirst().equals(devices.get(last));
    boolean tied =
        alone && checkpoint.tensor(Part.HEAD, 0).equals(checkpoint.tensor(Part.EMBED, 0));
    Tensor embedding =
        tied
            ? uploads.weight(first, Part.EMBED, 0)
            : uploads.table(first, checkpoint.tensor(Part.EMBED, 0));
    Norm finalNorm = uploads.norm(end, Part.FINAL_NORM, 0, config.normEps());
    Tensor head = tied ? embedding : uploads.weight(end, Part.HEAD, 0);
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
                  .map(t -> uploads.table(end, t))
                  .orElseGet(
                      () ->
                          alone ? embedding : uploads.table(end, checkpoint.tensor(Part.EMBED, 0))),
              uploads.norm(end, Part.MTP_ENORM, i, config.normEps()),
              uploads.norm(end, Part.MTP_HNORM, i, config.normEps()),
              hyper().isEmpty()
                  ? new MultiTokenPredictor.Projection.Joint(uploads.weight(end, Part.MTP_PROJ, i))
                  : new MultiTokenPredictor.Projection.Apart(
                      uploads.weight(end, Part.MTP_PROJ_EMBED, i),
                      uploads.weight(end, Part.MTP_PROJ_HIDDEN, i)),
              block(rank, i),
              hyper(),
              input(
                  end,
                  checkpoint.find(Part.MTP_NORM, i).isPresent()
                      ? uploads.norm(end, Part.MTP_NORM, i, config.normEps())
                      : finalNorm,
                  i,
                  MTP_MIX),
              uploads.find(end, Part.MTP_HEAD, i).orElse(head)));
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
        attention.attention(b, layer),
        input(b, Part.FFN_NORM, layer, FFN_MIX),
        config.isMoe(layer)
            ? moe(b, rank, layer)
            : new DenseMlp(
                uploads.weight(b, Part.FFN_GATE, layer),
                uploads.weight(b, Part.FFN_UP, layer),
                uploads.weight(b, Part.FFN_DOWN, layer),
                config.swigluLimit()));
  }

  /** What a sublayer reads: a norm, of a mixture where there are several streams. */
  private Residual.Input input(Backend b, Part norm, int layer, List<Part> mix) {
    return input(b, uploads.norm(b, norm, layer, config.normEps()), layer, mix);
  }

  private Residual.Input input(Backend b, Norm norm, int layer, List<Part> mix) {
    return new Residual.Input(
        norm,
        config
            .hyperConnections()
            .map(
                _ ->
                    new HyperConnection(
                        uploads.asF32(b, checkpoint.tensor(mix.get(0), layer)),
                        uploads.asF32(b, checkpoint.tensor(mix.get(1), layer)),
                        uploads.asF32(b, checkpoint.tensor(mix.get(2), layer)))));
  }

  private Optional<HyperShape> hyper() {
    return config
        .hyperConnections()
        .map(h -> new HyperShape(h.streams(), h.iterations(), h.eps(), config.normEps()));
  }

  private DeepseekMoe moe(Backend b, int rank, int layer) {
    MoeGate gate =
        new MoeGate(
            uploads.weight(b, Part.ROUTER, layer),
            checkpoint.find(Part.ROUTER_BIAS, layer).map(t -> uploads.asF32(b, t)),
            config.hashes(layer)
                ? Optional.of(uploads.numbers(b, checkpoint.tensor(Part.ROUTER_TABLE, layer)))
                : Optional.empty(),
            config.gate());
    Optional<DenseMlp> shared =
        config.sharedExperts() == 0
            ? Optional.empty()
            : Optional.of(
                new DenseMlp(
                    uploads.weight(b, Part.SHARED_GATE, layer),
                    uploads.weight(b, Part.SHARED_UP, layer),
                    uploads.weight(b, Part.SHARED_DOWN, layer),
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
}
