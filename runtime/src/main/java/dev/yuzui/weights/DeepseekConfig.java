package dev.yuzui.weights;

import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.RecordCopy;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The constants of a model, whatever file they came from. Every family is a choice of these fields:
 * V2-Lite, V2, V2.5, Coder-V2, V3, R1, V3.1, Moonlight, Kimi-K2 and GLM-4.7-Flash with latent
 * attention; DeepSeek-MoE, LLM, Coder V1 and R1's distillations with grouped-query attention;
 * V4-Flash and V4-Pro with compressed attention.
 *
 * @param name for people, from the file
 * @param layers of the main model; the MTP layers follow them
 * @param mtpLayers trailing multi-token-prediction layers, 0 if the file has none
 * @param firstDense leading layers with a dense FFN
 * @param gate routing of the other layers; {@link #NO_EXPERTS} where there are none
 * @param hashLayers leading layers whose experts a table names for each token of the vocabulary
 * @param swigluLimit what gate and up of experts are limited to, {@link #UNLIMITED} in most models:
 *     silu(min(gate, limit)) · clamp(up, −limit, limit)
 * @param hyperConnections empty where the residual is one stream
 * @param normEps of all norms but the latents'
 * @param ropeTheta and {@code ropeScaling} of all layers, but for {@link
 *     AttentionConfig.Compressed#compressed} ones
 * @param bosToken −1 if the model names none
 */
public record DeepseekConfig(
    String name,
    int hiddenSize,
    int vocabSize,
    int layers,
    int mtpLayers,
    int contextLength,
    AttentionConfig attention,
    int denseWidth,
    int firstDense,
    int expertWidth,
    int sharedExperts,
    GateRule gate,
    int hashLayers,
    float swigluLimit,
    Optional<HyperConnections> hyperConnections,
    float normEps,
    double ropeTheta,
    RopeScaling ropeScaling,
    int bosToken,
    List<Integer> eosTokens) {

  /** The gate of a model whose layers are all dense. */
  public static final GateRule NO_EXPERTS =
      new GateRule(GateRule.Scoring.SOFTMAX, 0, 0, 1, 1, GateRule.GroupScore.MAX, false, 1);

  /** The limit of a model whose experts have none. */
  public static final float UNLIMITED = Float.POSITIVE_INFINITY;

  /** A model of one stream, whose gates choose all experts, without limits. */
  public DeepseekConfig(
      String name,
      int hiddenSize,
      int vocabSize,
      int layers,
      int mtpLayers,
      int contextLength,
      AttentionConfig attention,
      int denseWidth,
      int firstDense,
      int expertWidth,
      int sharedExperts,
      GateRule gate,
      float normEps,
      double ropeTheta,
      RopeScaling ropeScaling,
      int bosToken,
      List<Integer> eosTokens) {
    this(
        name,
        hiddenSize,
        vocabSize,
        layers,
        mtpLayers,
        contextLength,
        attention,
        denseWidth,
        firstDense,
        expertWidth,
        sharedExperts,
        gate,
        0,
        UNLIMITED,
        Optional.empty(),
        normEps,
        ropeTheta,
        ropeScaling,
        bosToken,
        eosTokens);
  }

  /** The same model with {@code n} MTP layers. */
  DeepseekConfig withMtpLayers(int n) {
    return RecordCopy.with(this, "mtpLayers", n);
  }

  DeepseekConfig withEosTokens(List<Integer> tokens) {
    return RecordCopy.with(this, "eosTokens", tokens);
  }

  DeepseekConfig withRopeScaling(RopeScaling scaling) {
    return RecordCopy.with(this, "ropeScaling", scaling);
  }

  /**
   * The same model, with the roundings of its training or without; only compressed attention has
   * some.
   */
  public DeepseekConfig withQat(boolean qat) {
    return attention instanceof AttentionConfig.Compressed compressed
        ? RecordCopy.with(this, "attention", RecordCopy.with(compressed, "qat", qat))
        : this;
  }

  /** Of queries. */
  public int heads() {
    return attention.heads();
  }

  /** Numbers of one cache entry, per token and layer. */
  public int cacheEntry() {
    return attention.cacheEntry();
  }

  /** Cache entries that a token may look at; with all the rest of a context, no limit. */
  public int topK() {
    return attention instanceof AttentionConfig.Latent latent
        ? latent.indexer().map(AttentionConfig.Indexer::topK).orElse(Integer.MAX_VALUE)
        : Integer.MAX_VALUE;
  }

  /** Tokens that a sequence may have before its layers choose what they look at. */
  public int denseTokens() {
    return attention instanceof AttentionConfig.Compressed compressed
        ? compressed.denseTokens()
        : topK();
  }

  /** The least number of tokens from {@code asked} on that pages may have. */
  public int pageTokens(int asked) {
    int unit =
        attention instanceof AttentionConfig.Compressed compressed ? compressed.pageUnit() : 1;
    return Math.ceilDiv(asked, unit) * unit;
  }

  /** What a layer keeps of each token. */
  public List<CacheStream> cacheStreams(int layer) {
    CacheStream entries = new CacheStream(CacheStream.ENTRIES, cacheEntry());
    if (attention instanceof AttentionConfig.Compressed compressed) {
      return compressed.streams(layer);
    }
    return attention instanceof AttentionConfig.Latent latent && latent.indexes(layer)
        ? List.of(
            entries, new CacheStream(CacheStream.INDEX, latent.indexer().orElseThrow().head()))
        : List.of(entries);
  }

  /** {@link #cacheStreams} of each layer, MTP layers included. */
  public List<List<CacheStream>> cacheStreams() {
    return IntStream.range(0, layers + mtpLayers).mapToObj(this::cacheStreams).toList();
  }

  /** Numbers that all layers read of the cache for a token which {@code tokens} are visible to. */
  public long cacheRead(long tokens) {
    return IntStream.range(0, layers).mapToLong(layer -> attention.read(layer, tokens)).sum();
  }

  /** Cache entries that all layers weigh for a token which {@code tokens} are visible to. */
  public long cacheLooked(long tokens) {
    return IntStream.range(0, layers).mapToLong(layer -> attention.looked(layer, tokens)).sum();
  }

  /** Numbers that all layers keep of a sequence of {@code tokens} tokens. */
  public long cacheKept(long tokens) {
    return cacheStreams().stream()
        .limit(layers)
        .flatMap(List::stream)
        .mapToLong(s -> s.width() * (s.ring() + (s.tokens() == 0 ? 0 : tokens / s.tokens())))
        .sum();
  }

  /** What scores are multiplied by. */
  public double softmaxScale() {
    return ropeScaling.scores() / Math.sqrt(attention.query());
  }

  /** What cos and sin are multiplied by; 1 for most published models. */
  public double ropeFactor() {
    return ropeScaling.factor();
  }

  /** Radians per position of each of the pairs that rotate. */
  public double[] ropeFrequencies() {
    return new Rope(ropeTheta, ropeScaling).frequencies(attention.rope());
  }

  /** Whether layer {@code layer} (MTP layers count on from the last) has experts. */
  public boolean isMoe(int layer) {
    return layer >= firstDense && gate.experts() > 0;
  }

  /** Whether a table names the experts that the layer's tokens visit. */
  public boolean hashes(int layer) {
    return layer < hashLayers;
  }

  /** Numbers that a token's state takes between layers. */
  public int stateSize() {
    return hiddenSize * hyperConnections.map(HyperConnections::streams).orElse(1);
  }
}
