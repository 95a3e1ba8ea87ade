package dev.yuzui.model;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Puts a layer's attention on its device. */
final class AttentionLoader {
  private final Checkpoint checkpoint;
  private final DeepseekConfig config;
  private final WeightUploader uploads;
  private final int contextLength;
  private final Encoding cacheEncoding;

  /** By device, of layers that compress and of others. */
  private final Map<Backend, Map<Boolean, CompressedAttention.Angles>> angles = new HashMap<>();

  /**
   * @param contextLength positions the RoPE tables cover
   * @param cacheEncoding what the KV cache is kept in
   */
  AttentionLoader(
      Checkpoint checkpoint,
      DeepseekConfig config,
      WeightUploader uploads,
      int contextLength,
      Encoding cacheEncoding) {
    this.checkpoint = checkpoint;
    this.config = config;
    this.uploads = uploads;
    this.contextLength = contextLength;
    this.cacheEncoding = cacheEncoding;
  }

  Attention attention(Backend b, int layer) {
    return switch (config.attention()) {
      case AttentionConfig.Latent latent -> latent(b, layer, latent);
      case AttentionConfig.Grouped grouped -> grouped(b, layer, grouped);
      case AttentionConfig.Compressed compressed -> compressed(b, layer, compressed);
    };
  }

  private MultiHeadLatentAttention latent(Backend b, int layer, AttentionConfig.Latent a) {
    MultiHeadLatentAttention.Query query =
        a.qLoraRank() == 0
            ? new MultiHeadLatentAttention.Query.Direct(uploads.weight(b, Part.Q, layer))
            : new MultiHeadLatentAttention.Query.LowRank(
                uploads.weight(b, Part.Q_A, layer),
                uploads.norm(b, Part.Q_A_NORM, layer, a.normEps()),
                uploads.weight(b, Part.Q_B, layer));
    return new MultiHeadLatentAttention(
        layer,
        a.shape(config.softmaxScale()),
        query,
        uploads.weight(b, Part.KV_A, layer),
        uploads.norm(b, Part.KV_A_NORM, layer, a.normEps()),
        uploads.weight(b, Part.KEY_UP, layer),
        uploads.weight(b, Part.VALUE_UP, layer),
        uploads.weight(b, Part.ATTN_OUT, layer),
        a.indexer().filter(_ -> a.indexes(layer)).map(i -> indexer(b, layer, a, i)));
  }

  private LightningIndexer indexer(
      Backend b, int layer, AttentionConfig.Latent a, AttentionConfig.Indexer index) {
    return new LightningIndexer(
        layer,
        index.shape(a.rope(), rotated(index.head())),
        uploads.weight(b, Part.INDEX_Q, layer),
        uploads.weight(b, Part.INDEX_K, layer),
        uploads.norm(b, Part.INDEX_K_NORM, layer, AttentionConfig.Indexer.NORM_EPS),
        uploads.asF32(b, checkpoint.tensor(Part.INDEX_K_BIAS, layer)),
        uploads.weight(b, Part.INDEX_WEIGHTS, layer));
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
        uploads.weight(b, Part.Q_A, layer),
        uploads.norm(b, Part.Q_A_NORM, layer, eps),
        uploads.weight(b, Part.Q_B, layer),
        new Norm(uploads.ones(b, a.head()), eps),
        uploads.weight(b, Part.KV, layer),
        uploads.norm(b, Part.KV_NORM, layer, eps),
        uploads.asF32(b, checkpoint.tensor(Part.ATTN_SINKS, layer)),
        a.groups(),
        uploads.weight(b, Part.ATTN_OUT_A, layer),
        uploads.weight(b, Part.ATTN_OUT_B, layer),
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
                        uploads.weight(b, Part.COMPRESS_KV, layer),
                        uploads.weight(b, Part.COMPRESS_GATE, layer),
                        uploads.asF32(b, checkpoint.tensor(Part.COMPRESS_APE, layer)),
                        uploads.norm(b, Part.COMPRESS_NORM, layer, eps),
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
            uploads.weight(b, Part.INDEX_COMPRESS_KV, layer),
            uploads.weight(b, Part.INDEX_COMPRESS_GATE, layer),
            uploads.asF32(b, checkpoint.tensor(Part.INDEX_COMPRESS_APE, layer)),
            uploads.norm(b, Part.INDEX_COMPRESS_NORM, layer, config.normEps()),
            angles,
            a.qat() ? Rounding.E2M1 : Rounding.NONE),
        uploads.weight(b, Part.INDEX_Q, layer),
        uploads.weight(b, Part.INDEX_WEIGHTS, layer));
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
                  uploads.ropeTable(b, contextLength, f, 1),
                  uploads.ropeTable(b, contextLength, back, 1));
            });
  }

  private GroupedQueryAttention grouped(Backend b, int layer, AttentionConfig.Grouped a) {
    return new GroupedQueryAttention(
        layer,
        a.shape(config.softmaxScale()),
        projection(b, Part.Q, Part.Q_BIAS, Optional.of(Part.Q_NORM), layer),
        projection(b, Part.K, Part.K_BIAS, Optional.of(Part.K_NORM), layer),
        projection(b, Part.V, Part.V_BIAS, Optional.empty(), layer),
        uploads.weight(b, Part.ATTN_OUT, layer),
        checkpoint.find(Part.ATTN_OUT_BIAS, layer).map(t -> uploads.asF32(b, t)));
  }

  private GroupedQueryAttention.Projection projection(
      Backend b, Part weight, Part bias, Optional<Part> norm, int layer) {
    return new GroupedQueryAttention.Projection(
        uploads.weight(b, weight, layer),
        checkpoint.find(bias, layer).map(t -> uploads.asF32(b, t)),
        norm.filter(part -> checkpoint.find(part, layer).isPresent())
            .map(part -> uploads.norm(b, part, layer, config.normEps())));
  }
}
