package dev.yuzui.parallel;

import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Where the parts of a model lie. Devices are numbered in the order the user named them.
 *
 * @param devices how many
 * @param ranks groups that each run attention, and everything dense, for sequences of their own:
 *     the device of each layer, MTP layers included. The embedding lies with the first layer, the
 *     head with the last that is no MTP layer
 * @param experts of each layer, MTP layers included: which device holds which routed expert; empty
 *     where a layer has none
 */
public record DevicePlan(
    int devices, List<List<Integer>> ranks, List<Optional<ExpertPlacement>> experts) {

  public DevicePlan {
    ranks = ranks.stream().map(List::copyOf).toList();
    experts = List.copyOf(experts);
  }

  /** Everything on one device. */
  public static DevicePlan single(List<Boolean> moe, int experts) {
    return new DevicePlan(
        1,
        List.of(Collections.nCopies(moe.size(), 0)),
        moe.stream()
            .map(
                m ->
                    m
                        ? Optional.of(ExpertPlacement.inOrder(experts, 1))
                        : Optional.<ExpertPlacement>empty())
            .toList());
  }

  /** Layers whose attention {@code device} runs, of one rank if it is in several. */
  public int layers(int device) {
    return ranks.stream().mapToInt(r -> Collections.frequency(r, device)).max().orElse(0);
  }

  /** Routed experts that {@code device} holds, over all layers. */
  public int experts(int device) {
    return experts.stream()
        .flatMap(Optional::stream)
        .mapToInt(p -> p.devices().get(device).size())
        .sum();
  }

  /** Whether every rank finds all experts of {@code layer} where its attention is. */
  public boolean local(int layer) {
    ExpertPlacement placement = experts.get(layer).orElseThrow();
    return ranks.stream()
        .allMatch(rank -> placement.devices().get(rank.get(layer)).size() == placement.experts());
  }

  /** Whether the experts of some layer are not all where the attention is. */
  public boolean exchanges() {
    return IntStream.range(0, experts.size())
        .anyMatch(layer -> experts.get(layer).isPresent() && !local(layer));
  }
}
