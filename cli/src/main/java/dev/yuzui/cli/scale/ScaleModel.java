package dev.yuzui.cli.scale;

import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.spi.GateRule;

/**
 * Predicts how long a step takes with routed experts spread over all devices and everything else on
 * each of them, every device with sequences of its own.
 *
 * <p>A part of a step takes as long as its bytes from memory or its operations, whichever takes
 * longer, and the parts come one after the other. Between the devices a token's vector goes once to
 * every node and device that has one of its experts, in FP8 with a scale for each 128 numbers, and
 * comes back in BF16. A step is cut into micro-batches, each of which reads the weights; the
 * exchange of one hides behind the computation of another.
 *
 * @param weightBytes of a parameter; head and embedding have two
 * @param cacheBytes of a number in the KV cache
 * @param imbalance tokens of the busiest device's experts over the mean
 * @param overlap share of the shorter of computation and exchange that hides behind the other
 */
record ScaleModel(
    ScaleShape shape,
    ScaleMachine machine,
    double weightBytes,
    double cacheBytes,
    double imbalance,
    int microBatches,
    double overlap) {
  private static final double DISPATCH_BYTES = 1 + 4.0 / 128;
  private static final double COMBINE_BYTES = 2;
  private static final double HEAD_BYTES = 2;

  /**
   * What one device does in a step.
   *
   * @param tokens it reads
   * @param cacheNumbers that its layers read of the cache
   * @param attentionFlops of its layers
   * @param outputs rows of logits
   */
  private record Load(double tokens, double cacheNumbers, double attentionFlops, double outputs) {
    Load part(int parts) {
      return new Load(
          tokens / parts, cacheNumbers / parts, attentionFlops / parts, outputs / parts);
    }
  }

  /**
   * Seconds.
   *
   * @param all of the step, computation and exchange as far as they hide each other
   */
  record Step(double compute, double exchange, double all) {
    String bound() {
      return compute >= exchange ? "devices" : "links";
    }
  }

  /** Absorbed attention: each of {@code batch} sequences reads its {@code context} entries. */
  Step decode(ExpertBalancer placement, int batch, int context) {
    var c = shape.config();
    double looked = (double) batch * c.cacheLooked(context);
    double flops = 2.0 * c.heads() * shape.perEntry() * looked;
    return step(placement, new Load(batch, (double) batch * c.cacheRead(context), flops, batch));
  }

  /** Prompts of {@code prompt} tokens: on average a token sees half of its prompt. */
  Step prefill(ExpertBalancer placement, int tokens, int prompt) {
    var c = shape.config();
    double perPair = 2.0 * c.heads() * (c.attention().query() + c.attention().value());
    double pairs = (double) tokens * c.cacheLooked((prompt + 1) / 2);
    return step(placement, new Load(tokens, 0, perPair * pairs, (double) tokens / prompt));
  }

  private Step step(ExpertBalancer placement, Load load) {
    Load part = load.part(microBatches);
    double compute = microBatches * compute(placement, part);
    double exchange = microBatches * exchange(placement, part.tokens());
    double hidden = overlap * Math.min(compute, exchange);
    return new Step(compute, exchange, compute + exchange - hidden);
  }

  private double compute(ExpertBalancer placement, Load load) {
    double visits = load.tokens() * shape.config().gate().used() * imbalance;
    double slots = placement.slots() * touched(placement, load.tokens() * placement.devices());
    return shape.config().layers() * product(shape.attention(), load.tokens())
        + Math.max(
            load.cacheNumbers() * cacheBytes / machine.bandwidth(),
            load.attentionFlops() / machine.attentionFlops())
        + shape.denseLayers() * product(shape.dense(), load.tokens())
        + shape.moeLayers()
            * (product(shape.shared(), load.tokens())
                + Math.max(
                    slots * shape.expert() * weightBytes / machine.bandwidth(),
                    2 * shape.expert() * visits / machine.flops()))
        + Math.max(
            shape.head() * HEAD_BYTES / machine.bandwidth(),
            2 * shape.head() * load.outputs() / machine.flops());
  }

  /** Seconds of a product with {@code parameters} for {@code tokens} tokens. */
  private double product(double parameters, double tokens) {
    return Math.max(
        parameters * weightBytes / machine.bandwidth(), 2 * parameters * tokens / machine.flops());
  }

  /** Share of the expert slots that at least one of {@code tokens} tokens goes to. */
  static double touched(ExpertBalancer placement, double tokens, int used) {
    double slots = (double) placement.slots() * placement.devices();
    return 1 - Math.pow(1 - used / slots, tokens);
  }

  private double touched(ExpertBalancer placement, double tokens) {
    return touched(placement, tokens, shape.config().gate().used());
  }

  /** Of all layers. */
  private double exchange(ExpertBalancer placement, double tokens) {
    if (placement.devices() == 1) {
      return 0;
    }
    Copies copies = copies(placement, shape.config().gate());
    double bytes = shape.config().hiddenSize() * (DISPATCH_BYTES + COMBINE_BYTES) * tokens;
    return shape.moeLayers()
        * (2 * machine.latency()
            + Math.max(
                bytes * copies.network() / machine.network(),
                bytes * copies.nvlink() / machine.nvlink()));
  }

  /**
   * How often a token's vector travels, on average.
   *
   * @param network to other nodes, once to each
   * @param nvlink to other devices within the nodes it came to
   */
  record Copies(double network, double nvlink) {}

  static Copies copies(ExpertBalancer placement, GateRule gate) {
    double nodes = placement.nodes();
    double reachable = reachableNodes(placement, gate);
    double devices = reachable * placement.devices() / nodes;
    return new Copies(
        distinct(reachable, gate.used()) * (nodes - 1) / nodes,
        distinct(devices, gate.used()) * (placement.devices() - 1) / placement.devices());
  }

  /** Different ones among {@code draws} out of {@code n}, on average. */
  private static double distinct(double n, int draws) {
    return n * (1 - Math.pow(1 - 1 / n, draws));
  }

  /** Nodes with a group that the gate keeps: a node is left out if none of its groups is. */
  private static double reachableNodes(ExpertBalancer placement, GateRule gate) {
    if (!placement.hierarchical()) {
      return placement.nodes();
    }
    int own = gate.groups() / placement.nodes();
    double leftOut = 1;
    for (int i = 0; i < gate.groupsUsed(); i++) {
      leftOut *= Math.max(0, gate.groups() - own - i) / (double) (gate.groups() - i);
    }
    return placement.nodes() * (1 - leftOut);
  }

  /** Bytes of weights on each device. */
  double weights(ExpertBalancer placement) {
    double experts = (double) shape.moeLayers() * placement.slots() * shape.expert();
    return weightBytes * (shape.replicated() + experts) + 2 * HEAD_BYTES * shape.head();
  }

  /** Sequences of {@code context} tokens that fit beside the weights; 0 or less if those do not. */
  int largestBatch(ExpertBalancer placement, int context) {
    double sequence = shape.config().cacheKept(context) * cacheBytes;
    return (int) Math.floor((machine.memory() - weights(placement)) / sequence);
  }
}
