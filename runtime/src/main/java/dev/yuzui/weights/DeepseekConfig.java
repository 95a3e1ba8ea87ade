package dev.yuzui.weights;

import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.RecordCopy;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The constants of a model, whatever file they came from. Every family is a choice of these fields:
 * V2-Lite, V2, V2.5, Coder-V2, V3, R1, V3.1, Moonlight, Kimi-K2 and GLM-4.7-Flash with latent
 * attention; DeepSeek-MoE, LLM, Coder V1 and R1's distillations with grouped-query attention.
 *
 * @param name for people, from the file
 * @param layers of the main model; the MTP layers follow them
 * @param mtpLayers trailing multi-token-prediction layers, 0 if the file has none
 * @param firstDense leading layers with a dense FFN
 * @param gate routing of the other layers; {@link #NO_EXPERTS} where there are none
 * @param normEps of all norms but the latents'
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
    float normEps,
    double ropeTheta,
    RopeScaling ropeScaling,
    int bosToken,
    List<Integer> eosTokens) {

  /** The gate of a model whose layers are all dense. */
  public static final GateRule NO_EXPERTS =
      new GateRule(GateRule.Scoring.SOFTMAX, 0, 0, 1, 1, GateRule.GroupScore.MAX, false, 1);

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

  /** What a layer keeps of each token. */
  public List<CacheStream> cacheStreams(int layer) {
    CacheStream entries = new CacheStream(CacheStream.ENTRIES, cacheEntry());
    return attention instanceof AttentionConfig.Latent latent && latent.indexes(layer)
        ? List.of(
            entries, new CacheStream(CacheStream.INDEX, latent.indexer().orElseThrow().head()))
        : List.of(entries);
  }

  /** {@link #cacheStreams} of each layer, MTP layers included. */
  public List<List<CacheStream>> cacheStreams() {
    return IntStream.range(0, layers + mtpLayers).mapToObj(this::cacheStreams).toList();
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
    double[] f = new double[attention.rope() / 2];
    for (int i = 0; i < f.length; i++) {
      f[i] = Math.pow(ropeTheta, -2.0 * i / attention.rope());
    }
    return ropeScaling.frequencies(f, ropeTheta);
  }

  /** Whether layer {@code layer} (MTP layers count on from the last) has experts. */
  public boolean isMoe(int layer) {
    return layer >= firstDense && gate.experts() > 0;
  }
}
