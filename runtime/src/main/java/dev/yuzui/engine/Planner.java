package dev.yuzui.engine;

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
                        ? Optional.of(ExpertPlacement.inOrder(config.gate().experts(), devices))
                        : Optional.<ExpertPlacement>empty())
            .toList();
    List<List<Integer>> ranks =
        distribution.expertParallel()
            ? all.stream().map(d -> Collections.nCopies(layers, d)).toList()
            : List.of(Collections.nCopies(layers, 0));
    return new DevicePlan(devices, ranks, experts);
  }
}
