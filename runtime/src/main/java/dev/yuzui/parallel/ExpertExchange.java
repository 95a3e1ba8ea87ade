package dev.yuzui.parallel;

import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * A layer's routed experts and the way to them. Where they are beside the attention the way is a
 * permutation ({@link LocalExperts}); where several devices hold them, rows travel to the experts
 * that want them and back ({@link DeviceExchange}).
 */
public interface ExpertExchange {

  /**
   * Enqueues out[t] = shared(x)[t] + Σk weights[t,k] · expert(ids[t,k])(x[t]).
   *
   * @param x [T, H]
   * @param ids I32 [T, K], −1 in padding rows
   * @param weights [T, K]
   * @param shared enqueues the shared expert, which fills {@code out}; without one, 0 stands for it
   * @param out [T, H]
   */
  void forward(
      Ops ops,
      Meetings meetings,
      Tensor x,
      Tensor ids,
      Tensor weights,
      Optional<Runnable> shared,
      Tensor out);
}
