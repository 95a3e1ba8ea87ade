package dev.yuzui.spi;

/**
 * How a token picks its experts: constants of the model.
 *
 * <p>s = softmax, sigmoid or √softplus of the router's logits. Selection looks at s + bias: groups
 * are scored, the best {@code groupsUsed} kept, and of their experts the best {@code used}. Weights
 * are s without the bias, divided by (their sum + 1e-20) if {@code normalise}, then times {@code
 * scale}. Ties go to the lower index. DeepSeek-V3 report §2.1.2.
 *
 * @param groups 1 means no group limit
 */
public record GateRule(
    Scoring scoring,
    int experts,
    int used,
    int groups,
    int groupsUsed,
    GroupScore groupScore,
    boolean normalise,
    float scale) {

  public enum Scoring {
    SOFTMAX,
    SIGMOID,
    /** √ln(1 + eˣ), DeepSeek-V4's. */
    SQRT_SOFTPLUS
  }

  public enum GroupScore {
    /** V2: the group's best expert. */
    MAX,
    /** V3: the sum of the group's two best. */
    TOP2_SUM
  }
}
