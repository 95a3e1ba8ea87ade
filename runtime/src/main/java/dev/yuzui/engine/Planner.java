package dev.yuzui.engine;

import dev.yuzui.engine.Distribution.Split;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.weights.DeepseekConfig;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Lays a model over devices. */
final class Planner {
  private Planner() {}

  static DevicePlan plan(DeepseekConfig config, int devices, Distribution distribution) {
    int layers = config.layers() + config.mtpLayers();
    List<Integer> all = IntStream.range(0, devices).boxed().toList();
    List<Optional<ExpertPlacement>> experts =
        IntStream.range(0, layers)
            .mapToObj(
                layer ->
                    config.isMoe(layer)
                        ? Optional.of(place(config, devices, layer, distribution))
                        : Optional.<ExpertPlacement>empty())
            .toList();
    List<List<Integer>> ranks =
        distribution.expertParallel()
            ? all.stream().map(d -> Collections.nCopies(layers, d)).toList()
            : distribution.split() == Split.LAYER
                ? List.of(
                    IntStream.range(0, layers).mapToObj(i -> device(config, devices, i)).toList())
                : List.of(Collections.nCopies(layers, 0));
    return new DevicePlan(devices, ranks, experts);
  }

  /** MTP layers are where the last of the others is. */
  private static int device(DeepseekConfig config, int devices, int layer) {
    return Math.min(layer, config.layers() - 1) * devices / config.layers();
  }

  private static ExpertPlacement place(
      DeepseekConfig config, int devices, int layer, Distribution distribution) {
    int experts = config.gate().experts();
    if (distribution.expertParallel() || distribution.split() == Split.EXPERT) {
      return ExpertPlacement.inOrder(experts, devices);
    }
    int here = device(config, devices, layer);
    return new ExpertPlacement(
        experts,
        IntStream.range(0, devices)
            .mapToObj(
                d -> d == here ? IntStream.range(0, experts).boxed().toList() : List.<Integer>of())
            .toList());
  }
}
