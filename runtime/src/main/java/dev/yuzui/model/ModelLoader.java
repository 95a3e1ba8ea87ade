package dev.yuzui.model;

import dev.yuzui.parallel.ExpertExchange;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/** Puts a checkpoint on a backend. */
public final class ModelLoader {
  private final Checkpoint checkpoint;
  private final DeepseekConfig config;
  private final Backend backend;
  private final LongConsumer loadedBytes;
  private final List<DeviceBuffer> owned = new ArrayList<>();

  private ModelLoader(Checkpoint checkpoint, Backend backend, LongConsumer loadedBytes) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.backend = backend;
    this.loadedBytes = loadedBytes;
  }

  /**
   * A model and the device memory it owns beside what the backend keeps of {@link Backend#upload}.
   *
   * @param owned closed by who holds this
   */
  public record Loaded(DeepseekModel model, List<DeviceBuffer> owned) implements AutoCloseable {
    @Override
    public void close() {
      owned.forEach(DeviceBuffer::close);
    }
  }

  /**
   * @param contextLength positions the RoPE table covers
   * @param loadedBytes told the bytes of each tensor as it is done
   */
  public static Loaded load(
      Checkpoint checkpoint, Backend backend, int contextLength, LongConsumer loadedBytes) {
    ModelLoader loader = new ModelLoader(checkpoint, backend, loadedBytes);
    try {
      return loader.load(contextLength);
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

  private Loaded load(int contextLength) {
    if (!backend.repeats()) {
      checkpoint.writeOut();
    }
    boolean tied = checkpoint.tensor(Part.HEAD, 0).equals(checkpoint.tensor(Part.EMBED, 0));
    Tensor embedding = tied ? weight(Part.EMBED, 0) : table(checkpoint.tensor(Part.EMBED, 0));
    Norm finalNorm = norm(Part.FINAL_NORM, 0, config.normEps());
    Tensor head = tied ? embedding : weight(Part.HEAD, 0);
    List<TransformerBlock> blocks = new ArrayList<>();
    for (int i = 0; i < config.layers(); i++) {
      blocks.add(block(i));
    }
    List<MultiTokenPredictor> predictors = new ArrayList<>();
    for (int i = config.layers(); i < config.layers() + config.mtpLayers(); i++) {
      predictors.add(
          new MultiTokenPredictor(
              checkpoint.find(Part.MTP_EMBED, i).map(this::table).orElse(embedding),
              norm(Part.MTP_ENORM, i, config.normEps()),
              norm(Part.MTP_HNORM, i, config.normEps()),
              weight(Part.MTP_PROJ, i),
              block(i),
              checkpoint.find(Part.MTP_NORM, i).isPresent()
                  ? norm(Part.MTP_NORM, i, config.normEps())
                  : finalNorm,
              find(Part.MTP_HEAD, i).orElse(head)));
    }
    Tensor rope = ropeTable(contextLength);
    return new Loaded(
        new DeepseekModel(config, embedding, blocks, finalNorm, head, predictors, rope), owned);
  }

  private TransformerBlock block(int layer) {
    return new TransformerBlock(
        norm(Part.ATTN_NORM, layer, config.normEps()),
        attention(layer),
        norm(Part.FFN_NORM, layer, config.normEps()),
        config.isMoe(layer)
            ? moe(layer)
            : new DenseMlp(
                weight(Part.FFN_GATE, layer),
                weight(Part.FFN_UP, layer),
                weight(Part.FFN_DOWN, layer)));
  }

  private MultiHeadLatentAttention attention(int layer) {
    MultiHeadLatentAttention.Query query =
        config.qLoraRank() == 0
            ? new MultiHeadLatentAttention.Query.Direct(weight(Part.Q, layer))
            : new MultiHeadLatentAttention.Query.LowRank(
                weight(Part.Q_A, layer),
                norm(Part.Q_A_NORM, layer, config.latentNormEps()),
                weight(Part.Q_B, layer));
    return new MultiHeadLatentAttention(
        layer,
        config.mla(),
        query,
        weight(Part.KV_A, layer),
        norm(Part.KV_A_NORM, layer, config.latentNormEps()),
        weight(Part.KEY_UP, layer),
        weight(Part.VALUE_UP, layer),
        weight(Part.ATTN_OUT, layer));
  }

  private DeepseekMoe moe(int layer) {
    MoeGate gate =
        new MoeGate(
            weight(Part.ROUTER, layer),
            checkpoint.find(Part.ROUTER_BIAS, layer).map(this::asF32),
            config.gate());
    Optional<DenseMlp> shared =
        config.sharedExperts() == 0
            ? Optional.empty()
            : Optional.of(
                new DenseMlp(
                    weight(Part.SHARED_GATE, layer),
                    weight(Part.SHARED_UP, layer),
                    weight(Part.SHARED_DOWN, layer)));
    return new DeepseekMoe(
        layer,
        gate,
        new DeepseekMoe.Experts(
            experts(Part.EXPERT_GATE, layer),
            experts(Part.EXPERT_UP, layer),
            experts(Part.EXPERT_DOWN, layer)),
        shared,
        ExpertExchange.local(config.gate().experts()));
  }

  private Tensor weight(Part part, int layer) {
    return upload(checkpoint.tensor(part, layer));
  }

  private Optional<Tensor> find(Part part, int layer) {
    return checkpoint.find(part, layer).map(this::upload);
  }

  private Tensor upload(HostTensor host) {
    Tensor tensor = backend.upload(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor table(HostTensor host) {
    Tensor tensor = backend.uploadTable(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private ExpertWeights experts(Part part, int layer) {
    List<HostTensor> hosts = checkpoint.experts(part, layer);
    ExpertWeights weights = backend.uploadExperts(hosts.getFirst().name(), hosts);
    loadedBytes.accept(hosts.stream().mapToLong(HostTensor::byteSize).sum());
    return weights;
  }

  private Norm norm(Part part, int layer, float eps) {
    return new Norm(asF32(checkpoint.tensor(part, layer)), eps);
  }

  /** Norm weights and biases are F32 on every device, whatever the file has. */
  private Tensor asF32(HostTensor host) {
    Tensor tensor = allocate(host.name(), host.rows(), host.cols());
    write(tensor, Dequantizer.all(host));
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor ropeTable(int positions) {
    double[] frequency = config.ropeFrequencies();
    double factor = config.ropeFactor();
    int dims = config.ropeHeadDim();
    float[] table = new float[Math.multiplyExact(positions, dims)];
    for (int p = 0; p < positions; p++) {
      for (int i = 0; i < frequency.length; i++) {
        double angle = p * frequency[i];
        table[p * dims + 2 * i] = (float) (Math.cos(angle) * factor);
        table[p * dims + 2 * i + 1] = (float) (Math.sin(angle) * factor);
      }
    }
    Tensor tensor = allocate("rope_table", positions, dims);
    write(tensor, table);
    return tensor;
  }

  private Tensor allocate(String name, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(Encoding.F32.byteSize(rows, cols), name);
    owned.add(buffer);
    return new Tensor(name, buffer, 0, Encoding.F32, rows, cols);
  }

  private void write(Tensor tensor, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
      backend.write(tensor, segment);
    }
  }
}
