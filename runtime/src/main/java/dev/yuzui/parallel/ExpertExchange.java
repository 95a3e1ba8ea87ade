package dev.yuzui.parallel;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * The object between the gate and the expert FFN. With one rank it is a permutation; with several
 * devices it moves rows to the experts that want them and back.
 */
public interface ExpertExchange {

  /**
   * Rows on the way to their experts, consumed by {@link #combine}.
   *
   * @param x rows that lie where the experts are
   * @param dispatch which row goes to which expert
   * @param weights [T, K] of the tokens that sent them
   */
  record Handle(Tensor x, Dispatch dispatch, Tensor weights) {}

  /**
   * @param x [T, H]
   * @param ids I32 [T, K], −1 in padding rows
   * @param weights [T, K]
   */
  Handle dispatch(Ops ops, Tensor x, Tensor ids, Tensor weights);

  /**
   * out[t] = base[t] + Σk weights[t,k] · y[row of (t,k)]. y [T·K, H]; base, which may be out, and
   * out [T, H].
   */
  void combine(Ops ops, Tensor y, Handle handle, Optional<Tensor> base, Tensor out);

  /** All experts on one device. */
  static ExpertExchange local(int experts) {
    return new LocalExchange(experts);
  }
}
