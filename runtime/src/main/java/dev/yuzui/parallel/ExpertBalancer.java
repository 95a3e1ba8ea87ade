package dev.yuzui.parallel;

import dev.yuzui.parallel.Packing.Item;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Places the experts of a layer by their loads, as DeepSeek's expert-parallelism load balancer
 * (EPLB) does: groups of experts are packed to nodes, so that group-limited routing reaches few
 * nodes; within a node the experts with the most tokens a replica are held once more until its
 * slots are full; the replicas are packed to its devices. Where the groups do not divide by the
 * nodes, all devices are one node to it.
 *
 * <p>Beyond that algorithm a device never holds an expert twice: no expert has more replicas than a
 * node has devices, and what packing would put beside its like changes place with another.
 *
 * @param experts of a layer
 * @param groups of the gate, 1 for none
 * @param redundant slots besides one for each expert; every device has the same number of slots
 */
public record ExpertBalancer(int experts, int groups, int nodes, int devices, int redundant) {

  /**
   * @throws ParallelException if the slots do not divide by the devices, or the devices by the
   *     nodes, or a device would hold an expert twice
   */
  public ExpertBalancer {
    if (devices < 1 || nodes < 1 || devices % nodes != 0) {
      throw new ParallelException(
          "ExpertBalancer.nodes: expected a divisor of ExpertBalancer.devices %d, found %d"
              .formatted(devices, nodes));
    }
    int slots = experts + redundant;
    if (slots % devices != 0) {
      int less = slots / devices * devices - experts;
      int more = (slots / devices + 1) * devices - experts;
      throw new ParallelException(
          "ExpertBalancer.redundant: expected %s, so that %d experts and they divide by %d devices, found %d"
              .formatted(less < 0 ? "" + more : less + " or " + more, experts, devices, redundant));
    }
    int perPart = experts / parts(groups, nodes);
    if (slots / devices > perPart) {
      throw new ParallelException(
          "ExpertBalancer.redundant: expected at most %d, which is every expert of a node on each of its devices, found %d"
              .formatted(perPart * devices - experts, redundant));
    }
  }

  /** Nodes that groups are packed to: all, or one if the groups do not divide by them. */
  private static int parts(int groups, int nodes) {
    return groups % nodes == 0 ? nodes : 1;
  }

  /** Whether groups stay together on a node. */
  public boolean hierarchical() {
    return nodes > 1 && parts(groups, nodes) == nodes;
  }

  /** Expert slots of a device. */
  public int slots() {
    return (experts + redundant) / devices;
  }

  /**
   * @param tokens of each expert
   */
  public ExpertPlacement place(long[] tokens) {
    if (tokens.length != experts) {
      throw new IllegalArgumentException(tokens.length + " loads of " + experts + " experts");
    }
    int parts = parts(groups, nodes);
    SlotBalancer node = new SlotBalancer(Collections.nCopies(devices / parts, slots()));
    List<List<Integer>> held = new ArrayList<>();
    packGroups(tokens, parts).forEach(members -> held.addAll(node.place(members, tokens)));
    return new ExpertPlacement(experts, held);
  }

  /** The experts of each part, as many of each, whole groups together. */
  private List<List<Integer>> packGroups(long[] tokens, int parts) {
    if (parts == 1) {
      return List.of(IntStream.range(0, experts).boxed().toList());
    }
    int size = experts / groups;
    List<Item> items =
        IntStream.range(0, groups)
            .mapToObj(g -> new Item(g, Arrays.stream(tokens, g * size, (g + 1) * size).sum()))
            .toList();
    return Packing.pack(items, Collections.nCopies(parts, groups / parts)).stream()
        .map(
            packed ->
                packed.stream()
                    .flatMap(g -> IntStream.range(g * size, (g + 1) * size).boxed())
                    .toList())
        .toList();
  }
}
