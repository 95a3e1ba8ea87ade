package dev.yuzui.model;

import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * The router: affinities of a token to all experts, of which {@link GateRule} picks K.
 *
 * @param weight [E, H]
 * @param bias [1, E], for the selection alone: DeepSeek-V3 report §2.1.2
 * @param table experts of each token, I32 [vocab, K], in place of a selection
 */
record MoeGate(Tensor weight, Optional<Tensor> bias, Optional<Tensor> table, GateRule rule) {

  /**
   * @param ids I32 [T, K]
   * @param weights [T, K]
   */
  record Routing(Tensor ids, Tensor weights) {}

  Routing forward(Step s, Tensor x) {
    Tensor ids = s.scratch().i32("expert_ids", s.tokens(), rule.used());
    Tensor weights = s.rows("expert_weights", rule.used());
    if (table.isPresent()) {
      s.ops().routeByToken(s.matmul(x, weight), table.get(), rule, s.batch(), ids, weights);
    } else {
      s.ops().gate(x, weight, bias, rule, s.batch(), ids, weights);
    }
    return new Routing(ids, weights);
  }
}
