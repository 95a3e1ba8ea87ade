package dev.yuzui.compare;

import dev.yuzui.model.Point;
import java.util.List;
import java.util.Optional;

/**
 * A layer in a few numbers.
 *
 * @param ownAttention error of the attention's output in the backend's own run
 * @param ownEntries share of the entries that sparse attention chose that are others; empty where
 *     the layer chooses none, as {@code entries}
 * @param ownChoices share of choices of experts that are others; empty in dense layers, as those
 *     below
 * @param ownExperts error of the FFN's, or the routed experts', output
 * @param attention with given numbers: the worst of its parts, from norm to output
 * @param weights of the gate
 * @param experts the worst of norm, shared and routed experts, or dense FFN
 */
public record LayerSummary(
    int layer,
    Cell ownAttention,
    Optional<Cell> ownEntries,
    Optional<Cell> ownChoices,
    Cell ownExperts,
    Cell attention,
    Optional<Cell> entries,
    Optional<Cell> choices,
    Optional<Cell> weights,
    Cell experts) {

  /**
   * @param within its bound; true in a backend's own run, which has none
   */
  public record Cell(double value, boolean within) {}

  static LayerSummary of(int layer, List<Reading> readings) {
    return new LayerSummary(
        layer,
        own(readings, Point.ATTENTION).orElseThrow(),
        own(readings, Point.CHOSEN_ENTRIES),
        own(readings, Point.EXPERT_IDS),
        own(readings, Point.FEED_FORWARD).orElseThrow(),
        worst(
                readings,
                Point.ATTN_NORM,
                Point.QUERY,
                Point.LATENT,
                Point.KEY,
                Point.VALUE,
                Point.HEADS,
                Point.ATTENTION)
            .orElseThrow(),
        worst(readings, Point.CHOSEN_ENTRIES),
        worst(readings, Point.EXPERT_IDS),
        worst(readings, Point.EXPERT_WEIGHTS),
        worst(readings, Point.FFN_NORM, Point.SHARED, Point.FEED_FORWARD).orElseThrow());
  }

  private static Optional<Cell> own(List<Reading> readings, Point point) {
    return readings.stream()
        .filter(r -> r.place().point() == point)
        .findFirst()
        .map(r -> new Cell(r.own().relative(), true));
  }

  private static Optional<Cell> worst(List<Reading> readings, Point... points) {
    List<Reading> some =
        readings.stream().filter(r -> List.of(points).contains(r.place().point())).toList();
    return some.stream()
        .map(r -> r.isolated().relative())
        .max(Double::compare)
        .map(most -> new Cell(most, some.stream().allMatch(Reading::within)));
  }
}
