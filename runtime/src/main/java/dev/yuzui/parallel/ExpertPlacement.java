package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which experts of a layer each device holds. An expert that several devices hold shares its tokens
 * equally between them.
 *
 * @param experts of the layer; each is held somewhere
 * @param devices the experts of each device, in ascending order
 */
public record ExpertPlacement(int experts, List<List<Integer>> devices) {

  public ExpertPlacement {
    devices =
        devices.stream().map(d -> d.stream().sorted(Comparator.naturalOrder()).toList()).toList();
  }

  /** Without a balancer: expert e of E is on device ⌊e·D/E⌋, nothing is held twice. */
  public static ExpertPlacement inOrder(int experts, int devices) {
    List<List<Integer>> held = new ArrayList<>();
    IntStream.range(0, devices).forEach(_ -> held.add(new ArrayList<>()));
    for (int e = 0; e < experts; e++) {
      held.get((int) ((long) e * devices / experts)).add(e);
    }
    return new ExpertPlacement(experts, held);
  }

  /** How often each expert is held. */
  public int[] replicas() {
    int[] replicas = new int[experts];
    devices.forEach(device -> device.forEach(e -> replicas[e]++));
    return replicas;
  }

  /**
   * @param tokens of each expert
   * @return those of each device
   */
  public double[] loads(long[] tokens) {
    int[] replicas = replicas();
    return devices.stream()
        .mapToDouble(
            device -> device.stream().mapToDouble(e -> (double) tokens[e] / replicas[e]).sum())
        .toArray();
  }

  /** Tokens of the busiest device over the mean: 1 is perfect, also where there are no tokens. */
  public double imbalance(long[] tokens) {
    double[] loads = loads(tokens);
    double mean = Arrays.stream(loads).average().orElseThrow();
    return mean == 0 ? 1 : Arrays.stream(loads).max().orElseThrow() / mean;
  }
}
