package dev.yuzui.parallel;

import dev.yuzui.spi.Backend;
import java.lang.foreign.Arena;
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
    LocalExperts now = weights;
    for (int i = 0; i < held.size(); i++) {
      int expert = wanted.get(i);
      if (expert == held.get(i)) {
        continue;
      }
      if (backend.borrowsExperts(now.gate().encoding())) {
        now = with(backend, now, i, source.expert(layer, expert, Arena.ofAuto()));
      } else {
        try (Arena passing = Arena.ofShared()) {
          now = with(backend, now, i, source.expert(layer, expert, passing));
        }
      }
    }
    return new ExpertShard(wanted, now);
  }

  private static LocalExperts with(
      Backend backend, LocalExperts experts, int place, ExpertSource.Stored stored) {
    return new LocalExperts(
        backend.replace(experts.gate(), place, stored.gate()),
        backend.replace(experts.up(), place, stored.up()),
        backend.replace(experts.down(), place, stored.down()),
        experts.limit());
  }
}
