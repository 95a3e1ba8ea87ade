package dev.yuzui.parallel;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.ExpertWeights;
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

  /** With other experts in some places. */
  ExpertShard with(Backend backend, int layer, List<Integer> wanted, ExpertSource source) {
    ExpertWeights gate = weights.gate();
    ExpertWeights up = weights.up();
    ExpertWeights down = weights.down();
    for (int i = 0; i < held.size(); i++) {
      if (!wanted.get(i).equals(held.get(i))) {
        ExpertSource.Stored stored = source.expert(layer, wanted.get(i));
        gate = backend.replace(gate, i, stored.gate());
        up = backend.replace(up, i, stored.up());
        down = backend.replace(down, i, stored.down());
      }
    }
    return new ExpertShard(wanted, new LocalExperts(gate, up, down, weights.limit()));
  }
}
