package dev.yuzui.parallel;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * All experts beside the attention: nothing moves, rows are found through the sorted slots.
 *
 * @param gate [F, H] each
 * @param up [F, H] each
 * @param down [H, F] each
 * @param limit that gate and up are clamped to; ∞ where they are not
 */
public record LocalExperts(ExpertWeights gate, ExpertWeights up, ExpertWeights down, float limit)
    implements ExpertExchange {

  @Override
  public void forward(
      Ops ops,
      Meetings meetings,
      Tensor x,
      Tensor ids,
      Tensor weights,
      Optional<Runnable> shared,
      Tensor out) {
    Dispatch dispatch = dispatch(ops.scratch(), ids);
    Tensor y = ops.scratch().f32("expert_out", dispatch.slots(), x.cols()); // [T·K, H]
    ops.permute(ids, dispatch);
    ops.expertFfn(x, gate, up, down, limit, dispatch, y);
    shared.ifPresent(Runnable::run);
    ops.combine(y, dispatch, weights, shared.map(_ -> out), out);
  }

  /** Places for the slots of ids [T, K], in scratch. */
  private Dispatch dispatch(Scratch scratch, Tensor ids) {
    long slots = ids.rows() * ids.cols();
    return new Dispatch(
        scratch.i32("expert_offset", 1, gate.count() + 1L),
        scratch.i32("expert_slot", 1, slots),
        scratch.i32("expert_place", 1, slots),
        (int) ids.cols());
  }
}
