package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.MlaShape;
import java.util.List;
import java.util.Optional;

/**
 * The constants of a DeepSeek-architecture model, whatever file they came from. Every variant
 * (V2-Lite, V2, V2.5, Coder-V2, V3, R1, V3.1, Moonlight, Kimi-K2, GLM-4.7-Flash) is a choice of
 * these fields.
 *
 * @param name for people, from the file
 * @param layers of the main model; the MTP layers follow them
 * @param mtpLayers trailing multi-token-prediction layers, 0 if the file has none
 * @param qLoraRank 0: queries are projected directly
 * @param firstDense leading layers with a dense FFN
 * @param gate routing of the other layers
 * @param normEps of all norms but the latents'
 * @param latentNormEps of q_a and kv_a norms: published code fixes 1e-6, GGUF runtimes use the
 *     file's
 * @param yarn absent: plain RoPE
 * @param bosToken −1 if the model names none
 */
public record DeepseekConfig(
    String name,
    int hiddenSize,
    int vocabSize,
    int layers,
    int mtpLayers,
    int contextLength,
    int heads,
    int qLoraRank,
    int kvLoraRank,
    int nopeHeadDim,
    int ropeHeadDim,
    int valueHeadDim,
    int denseWidth,
    int firstDense,
    int expertWidth,
    int sharedExperts,
    GateRule gate,
    float normEps,
    float latentNormEps,
    double ropeTheta,
    Optional<Yarn> yarn,
    int bosToken,
    List<Integer> eosTokens) {

  /**
   * Context extension by YaRN.
   *
   * @param mscale and {@code mscaleAllDim}: cos and sin are multiplied by
   *     m(mscale)/m(mscaleAllDim), the softmax scale by m(mscaleAllDim)², with m(x) =
   *     0.1·x·ln(factor) + 1
   */
  public record Yarn(
      double factor,
      int originalContext,
      double betaFast,
      double betaSlow,
      double mscale,
      double mscaleAllDim) {

    double m(double x) {
      return factor > 1 ? 0.1 * x * Math.log(factor) + 1 : 1;
    }
  }

  /** The same model with {@code n} MTP layers. */
  DeepseekConfig withMtpLayers(int n) {
    return with(n, eosTokens);
  }

  DeepseekConfig withEosTokens(List<Integer> tokens) {
    return with(mtpLayers, tokens);
  }

  private DeepseekConfig with(int mtp, List<Integer> eos) {
    return new DeepseekConfig(
        name,
        hiddenSize,
        vocabSize,
        layers,
        mtp,
        contextLength,
        heads,
        qLoraRank,
        kvLoraRank,
        nopeHeadDim,
        ropeHeadDim,
        valueHeadDim,
        denseWidth,
        firstDense,
        expertWidth,
        sharedExperts,
        gate,
        normEps,
        latentNormEps,
        ropeTheta,
        yarn,
        bosToken,
        eos);
  }

  /** 1/√(P+R) · m(mscaleAllDim)². */
  public double softmaxScale() {
    double m = yarn.map(y -> y.m(y.mscaleAllDim())).orElse(1.0);
    return m * m / Math.sqrt(nopeHeadDim + ropeHeadDim);
  }

  /** What YaRN multiplies cos and sin by; 1 for every published model. */
  public double ropeFactor() {
    return yarn.map(y -> y.m(y.mscale()) / y.m(y.mscaleAllDim())).orElse(1.0);
  }

  /** Radians per position of each of the R/2 pairs. YaRN, arXiv:2309.00071 §3.2. */
  public double[] ropeFrequencies() {
    double[] f = new double[ropeHeadDim / 2];
    for (int i = 0; i < f.length; i++) {
      f[i] = Math.pow(ropeTheta, -2.0 * i / ropeHeadDim);
    }
    yarn.ifPresent(
        y -> {
          double low = Math.max(Math.floor(correction(y, y.betaFast())), 0);
          double high = Math.min(Math.ceil(correction(y, y.betaSlow())), ropeHeadDim - 1);
          for (int i = 0; i < f.length; i++) {
            double ramp = Math.clamp((i - low) / Math.max(0.001, high - low), 0, 1);
            f[i] *= (1 - ramp) + ramp / y.factor();
          }
        });
    return f;
  }

  private double correction(Yarn y, double rotations) {
    return ropeHeadDim
        * Math.log(y.originalContext() / (rotations * 2 * Math.PI))
        / (2 * Math.log(ropeTheta));
  }

  public MlaShape mla() {
    return new MlaShape(
        heads, nopeHeadDim, ropeHeadDim, valueHeadDim, kvLoraRank, (float) softmaxScale());
  }

  /** Whether layer {@code layer} (MTP layers count on from the last) has experts. */
  public boolean isMoe(int layer) {
    return layer >= firstDense && gate.experts() > 0;
  }

  /** Numbers of one latent cache entry, per token and layer. */
  public int cacheEntry() {
    return kvLoraRank + ropeHeadDim;
  }
}
