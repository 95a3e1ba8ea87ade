package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Who goes to which expert, and the sum of what comes back: launches of experts.cu. */
final class Experts {
  private static final int THREADS = 256;

  /** Slots that one block can sort. */
  private static final int SORTED_AT_ONCE = 4096;

  /** Rows whose router product and choice are one launch. */
  private static final int GATED_AT_ONCE = 8;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final Products products;

  Experts(
      CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch, Products products) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.products = products;
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(THREADS);
  }

  void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    begin("route")
        .grid(logits.rows())
        .block(32)
        .shared(4L * (rule.experts() + rule.groups()))
        .p(logits);
    launch.p(address(bias));
    rule(rule).p(batch.sequence()).p(ids).p(weights).run();
  }

  void gate(
      Tensor x,
      Tensor w,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    try (var frame = scratch.frame()) {
      Tensor logits = scratch.f32("router_logits", x.rows(), w.rows());
      if (!w.encoding().equals(Encoding.F32) || x.rows() > GATED_AT_ONCE) {
        products.exact(x, w, logits);
        route(logits, bias, rule, batch, ids, weights);
        return;
      }
      begin("gate_f32")
          .grid(Math.ceilDiv(w.rows(), x.rows() <= 2 ? 1L : 2L))
          .shared(4L * x.rows() * (rule.experts() + rule.groups()))
          .p(x)
          .p(w)
          .p(address(bias))
          .i(x.cols());
      rule(rule)
          .p(batch.sequence())
          .p(ids)
          .p(weights)
          .p(logits)
          .p(queue.counters())
          .i(x.rows())
          .p(0)
          .p(0)
          .p(0)
          .run();
    }
  }

  private long address(Optional<Tensor> t) {
    return t.map(x -> CudaBuffer.address(x, backend.cu())).orElse(0L);
  }

  private Launch rule(GateRule rule) {
    return launch
        .i(rule.experts())
        .i(rule.used())
        .i(rule.groups())
        .i(rule.groupsUsed())
        .i(number(rule.scoring()))
        .i(rule.groupScore() == GateRule.GroupScore.TOP2_SUM)
        .i(rule.normalise())
        .f(rule.scale());
  }

  /** As experts.cu has it. */
  static int number(GateRule.Scoring scoring) {
    return switch (scoring) {
      case SOFTMAX -> 0;
      case SIGMOID -> 1;
      case SQRT_SOFTPLUS -> 2;
    };
  }

  void permute(Tensor ids, Dispatch out) {
    int slots = out.slots();
    int experts = out.experts();
    if (slots <= SORTED_AT_ONCE) {
      int threads = slots <= 1024 ? THREADS : 1024;
      begin("permute").block(threads).shared(4L * experts + 2L * experts * threads / 32).p(ids);
      slots(ids, out).p(out.offset()).p(out.slot()).p(out.place()).run();
      return;
    }
    long parts = Math.ceilDiv(slots, 1024L);
    try (var frame = scratch.frame()) {
      Tensor counts = scratch.i32("slots of each expert", parts, experts);
      begin("permute_count").grid(parts).shared(20L * experts).p(ids);
      slots(ids, out).p(counts).run();
      begin("permute_place").grid(parts).shared(20L * experts).p(ids);
      slots(ids, out).p(counts).p(out.offset()).p(out.slot()).p(out.place()).run();
    }
  }

  private Launch slots(Tensor ids, Dispatch out) {
    return launch.i(ids.rows()).i(out.used()).i(out.experts());
  }

  void combine(Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    begin("combine")
        .grid(out.rows(), Math.ceilDiv(out.cols(), 1024L))
        .p(y)
        .p(dispatch.place())
        .p(weights)
        .p(address(base))
        .p(out)
        .i(dispatch.used())
        .i(out.cols())
        .run();
  }
}
