package dev.yuzui.model;

import dev.yuzui.parallel.ExpertExchange;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * DeepSeekMoE: every token visits the shared expert and K routed ones. DeepSeekMoE report §3;
 * DeepSeek-V3 report §2.1.2.
 *
 * @param experts the routed ones
 * @param shared one FFN of width F·shared; absent in models without shared experts
 */
record DeepseekMoe(int layer, MoeGate gate, ExpertExchange experts, Optional<DenseMlp> shared)
    implements FeedForward {

  @Override
  public void forward(Step s, Tensor x, Tensor out) {
    MoeGate.Routing r = gate.forward(s, x);
    s.tap().at(layer, Point.EXPERT_IDS, r.ids());
    s.tap().at(layer, Point.EXPERT_WEIGHTS, r.weights());
    experts.forward(
        s.ops(),
        s.course(),
        x,
        r.ids(),
        r.weights(),
        shared.map(
            mlp ->
                () -> {
                  mlp.forward(s, x, out);
                  s.tap().at(layer, Point.SHARED, out);
                }),
        out);
  }
}
