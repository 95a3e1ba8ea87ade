package dev.yuzui.model;

import dev.yuzui.parallel.ExpertExchange;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * DeepSeekMoE: every token visits the shared expert and K routed ones. DeepSeekMoE report §3;
 * DeepSeek-V3 report §2.1.2.
 *
 * @param gateUpDown projections of the routed experts: [F, H], [F, H], [H, F] each
 * @param shared one FFN of width F·shared; absent in models without shared experts
 */
record DeepseekMoe(
    int layer, MoeGate gate, Experts gateUpDown, Optional<DenseMlp> shared, ExpertExchange exchange)
    implements FeedForward {

  record Experts(ExpertWeights gate, ExpertWeights up, ExpertWeights down) {}

  @Override
  public void forward(Step s, Tensor x, Tensor out) {
    MoeGate.Routing r = gate.forward(s, x);
    s.tap().at(layer, Point.EXPERT_IDS, r.ids());
    s.tap().at(layer, Point.EXPERT_WEIGHTS, r.weights());
    ExpertExchange.Handle here = exchange.dispatch(s.ops(), x, r.ids(), r.weights());
    Tensor y = s.scratch().f32("expert_out", here.dispatch().slots(), x.cols()); // [T·K, H]
    s.ops()
        .expertFfn(
            here.x(), gateUpDown.gate(), gateUpDown.up(), gateUpDown.down(), here.dispatch(), y);
    shared.ifPresent(
        mlp -> {
          mlp.forward(s, x, out);
          s.tap().at(layer, Point.SHARED, out);
        });
    exchange.combine(s.ops(), y, here, shared.map(_ -> out), out);
  }
}
