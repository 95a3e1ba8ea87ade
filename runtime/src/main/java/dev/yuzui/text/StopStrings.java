package dev.yuzui.text;

import java.util.List;
import java.util.Optional;

/**
 * Ends a text at the first stop string to be completed, wherever the pieces of a stream are cut.
 * The text passes through as soon as it cannot belong to a stop string any more.
 */
public final class StopStrings {
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private Optional<String> found = Optional.empty();

  public StopStrings(List<String> stops) {
    if (stops.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException(
          "stop: expected a text that can occur, found an empty one");
    }
    this.stops = List.copyOf(stops);
  }

  /** What may be shown now: never part of a stop string, nothing once {@link #stopped}. */
  public String push(String piece) {
    if (stopped()) {
      return "";
    }
    int from = held.length();
    held.append(piece);
    for (int end = from + 1; end <= held.length(); end++) {
      int start = stopEndingAt(end);
      if (start >= 0) {
        found = Optional.of(held.substring(start, end));
        held.setLength(start);
        return take(start);
      }
    }
    return take(held.length() - heldBack());
  }

  /** Whether a stop string was found; what was pushed after it is dropped. */
  public boolean stopped() {
    return found.isPresent();
  }

  /** The stop string that was found. */
  public Optional<String> found() {
    return found;
  }

  /** The text held back for a stop string that never came. */
  public String finish() {
    return take(held.length());
  }

  private String take(int n) {
    String text = held.substring(0, n);
    held.delete(0, n);
    return text;
  }

  /** Where the longest stop string that ends at {@code end} begins, or −1. */
  private int stopEndingAt(int end) {
    int start = -1;
    for (String stop : stops) {
      int at = end - stop.length();
      if (at >= 0 && (start < 0 || at < start) && held.indexOf(stop, at) == at) {
        start = at;
      }
    }
    return start;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private int heldBack() {
    int longest = 0;
    for (String stop : stops) {
      for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
        if (held.indexOf(stop.substring(0, n), held.length() - n) >= 0) {
          longest = n;
        }
      }
    }
    return longest;
  }
}
