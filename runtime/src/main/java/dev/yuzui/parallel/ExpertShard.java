package dev.yuzui.parallel;

import java.util.List;

/**
 * What a device has of a layer's experts.
 *
 * @param held the expert at each place of {@code weights}
 */
public record ExpertShard(List<Integer> held, LocalExperts weights) {
  public ExpertShard {
    held = List.copyOf(held);
  }
}
