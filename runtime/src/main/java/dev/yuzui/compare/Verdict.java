package dev.yuzui.compare;

import dev.yuzui.model.Point;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The first part that is wrong, for people.
 *
 * @param place of it; empty where no part is wrong but what is replayed
 * @param because the error, and that of the like parts that are right
 * @param suspects ops, with the type and name of their weights
 */
public record Verdict(Optional<Place> place, String because, List<String> suspects) {

  static Optional<Verdict> of(
      List<Reading> readings, Map<Place, List<Weighed>> weights, int mainLayers) {
    List<Reading> wrong = readings.stream().filter(r -> !r.within()).toList();
    return wrong.stream()
        .findFirst()
        .map(
            first -> {
              Place place = first.place();
              List<Reading> right =
                  readings.stream()
                      .filter(r -> r.within() && like(r.place(), place) && !r.place().equals(place))
                      .toList();
              String because =
                  Names.of(place, mainLayers)
                      + " "
                      + Names.error(first.error())
                      + " where "
                      + Names.error(first.bound())
                      + " is allowed"
                      + others(right)
                      + (wrong.size() > 1
                          ? "; " + (wrong.size() - 1) + " more are too far off"
                          : "");
              return new Verdict(Optional.of(place), because, suspects(place, right, weights));
            });
  }

  static Optional<Verdict> ofReplay(Deviation replayed, double bound) {
    return replayed.relative() <= bound
        ? Optional.empty()
        : Optional.of(
            new Verdict(
                Optional.empty(),
                "every part is right, but the logits of a recorded step are "
                    + Names.error(replayed.relative())
                    + " off those of the same ops one by one",
                List.of("record and replay")));
  }

  /** Of other layers, by the same kernels. */
  private static boolean like(Place a, Place b) {
    return a.phase() == b.phase() && a.point() == b.point();
  }

  private static String others(List<Reading> right) {
    return right.stream()
        .map(Reading::error)
        .max(Double::compare)
        .map(most -> " (the same of other layers: " + Names.error(most) + " at most)")
        .orElse("");
  }

  /**
   * The ops of the place, without those that are right elsewhere with weights of the same type: all
   * of them if that leaves none, and then those without weights too.
   */
  private static List<String> suspects(
      Place place, List<Reading> right, Map<Place, List<Weighed>> weights) {
    record Kind(Object part, Object encoding) {}
    Set<Kind> cleared = new HashSet<>();
    for (Reading r : right) {
      weights.get(r.place()).forEach(w -> cleared.add(new Kind(w.part(), w.encoding())));
    }
    List<Weighed> all = weights.get(place);
    List<Weighed> left =
        all.stream().filter(w -> !cleared.contains(new Kind(w.part(), w.encoding()))).toList();
    // what chooses entries has no weights, and nothing clears it
    boolean more = left.isEmpty() || place.point() == Point.CHOSEN_ENTRIES;
    return Stream.concat(
            (left.isEmpty() ? all : left).stream().map(Weighed::text),
            more ? besides(place.point()) : Stream.of())
        .toList();
  }

  /** Ops without weights. */
  private static Stream<String> besides(Point point) {
    return switch (point) {
      case HEADS -> Stream.of("appendLatent and rope");
      case CHOSEN_ENTRIES -> Stream.of("rope", "select");
      case EXPERT_IDS, EXPERT_WEIGHTS -> Stream.of("route");
      case FEED_FORWARD -> Stream.of("siluMul", "permute", "combine");
      default -> Stream.of();
    };
  }
}
