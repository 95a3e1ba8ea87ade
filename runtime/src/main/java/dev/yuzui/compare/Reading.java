package dev.yuzui.compare;

import dev.yuzui.model.Point;
import java.util.List;
import java.util.Locale;

/**
 * What was found at a place.
 *
 * @param weights it is computed with: op, type and name
 * @param bound of {@code isolated}'s {@link #error}
 * @param own in the backend's own run, where errors add up
 * @param isolated when the part, and all before it, was given the other backend's numbers
 */
public record Reading(
    Place place, List<String> weights, double bound, Deviation own, Deviation isolated) {

  public boolean within() {
    return error() <= bound;
  }

  /** What is bounded: of entries that are chosen not how many, but how far from a tie. */
  public double error() {
    return place.point() == Point.CHOSEN_ENTRIES ? isolated.largest() : isolated.relative();
  }

  /** {@code attention_heads}: the part's name for programs. */
  public String part() {
    return Names.of(place.point()).replaceAll("[^A-Za-z]+", "_").toLowerCase(Locale.ROOT);
  }
}
