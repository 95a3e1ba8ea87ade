package dev.yuzui.cli.experts;

import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.parallel.ExpertLoads;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.parallel.LayerLoad;
import dev.yuzui.spi.GateRule;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Loads of experts, and what a balancer makes of them.
 *
 * @param tokens that were counted, also in runs before
 * @param expertsUsed by a token
 */
record ExpertsReport(
    String model,
    String fingerprint,
    long tokens,
    int experts,
    int expertsUsed,
    int groups,
    List<Layer> layers,
    Optional<Devices> devices) {

  /**
   * @param tokens of each expert
   */
  record Layer(int layer, LayerLoad load, long[] tokens, Optional<Placed> placed) {}

  /**
   * Busiest device over the mean, and the experts of each device that gave {@code balanced}.
   *
   * @param inOrder experts as they are numbered, none twice
   */
  record Placed(double inOrder, double balanced, List<List<Integer>> devices) {}

  /** What the experts of all layers are placed on; imbalances over the layers. */
  record Devices(
      int devices,
      int nodes,
      int numRedundantExperts,
      int slots,
      boolean groupsStayOnNodes,
      Spread inOrder,
      Spread balanced) {}

  record Spread(double mean, double worst) {}

  static ExpertsReport of(ExpertLoads loads, GateRule gate, Optional<ExpertBalancer> balancer) {
    List<Layer> layers =
        loads.layers().stream().map(layer -> layer(loads, layer, balancer)).toList();
    long visits = layers.stream().mapToLong(l -> l.load().tokens()).max().orElse(0);
    return new ExpertsReport(
        loads.model(),
        loads.fingerprint(),
        visits / gate.used(),
        gate.experts(),
        gate.used(),
        gate.groups(),
        layers,
        balancer.map(
            b ->
                new Devices(
                    b.devices(),
                    b.nodes(),
                    b.redundant(),
                    b.slots(),
                    b.hierarchical(),
                    spread(layers, Placed::inOrder),
                    spread(layers, Placed::balanced))));
  }

  private static Layer layer(ExpertLoads loads, int layer, Optional<ExpertBalancer> balancer) {
    long[] tokens = loads.tokens(layer);
    return new Layer(layer, loads.summary(layer), tokens, balancer.map(b -> placed(tokens, b)));
  }

  private static Placed placed(long[] tokens, ExpertBalancer balancer) {
    ExpertPlacement placement = balancer.place(tokens);
    return new Placed(
        ExpertPlacement.inOrder(tokens.length, balancer.devices()).imbalance(tokens),
        placement.imbalance(tokens),
        placement.devices());
  }

  private static Spread spread(List<Layer> layers, ToDoubleFunction<Placed> imbalance) {
    var summary =
        layers.stream()
            .flatMap(l -> l.placed().stream())
            .mapToDouble(imbalance)
            .summaryStatistics();
    return new Spread(summary.getAverage(), summary.getMax());
  }
}
