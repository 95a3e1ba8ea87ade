package dev.yuzui.parallel;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** One rank: nothing moves, rows are found through the sorted slots. */
record LocalExchange(int experts) implements ExpertExchange {

  @Override
  public Handle dispatch(Ops ops, Tensor x, Tensor ids, Tensor weights) {
    Scratch scratch = ops.scratch();
    long slots = ids.rows() * ids.cols();
    Dispatch dispatch =
        new Dispatch(
            scratch.i32("expert_offset", 1, experts + 1L),
            scratch.i32("expert_slot", 1, slots),
            scratch.i32("expert_place", 1, slots),
            (int) ids.cols());
    ops.permute(ids, dispatch);
    return new Handle(x, dispatch, weights);
  }

  @Override
  public void combine(Ops ops, Tensor y, Handle handle, Optional<Tensor> base, Tensor out) {
    ops.combine(y, handle.dispatch(), handle.weights(), base, out);
  }
}
