package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Bins of as many items each, as equally loaded as a greedy choice makes them: the heaviest item
 * that is left goes to the lightest bin that has room. Items of one id go to different bins.
 */
final class Packing {
  record Item(int id, double load) {}

  private static final class Bin {
    private final List<Item> items = new ArrayList<>();
    private double load;

    boolean holds(int id) {
      return items.stream().anyMatch(i -> i.id == id);
    }

    void add(Item item) {
      items.add(item);
      load += item.load;
    }

    void remove(Item item) {
      items.remove(item);
      load -= item.load;
    }
  }

  /**
   * @param heavier load of the heavier bin afterwards
   */
  private record Swap(Bin full, Item given, double heavier) {}

  private final List<Bin> bins;
  private final int room;

  private Packing(int bins, int room) {
    this.bins = IntStream.range(0, bins).mapToObj(_ -> new Bin()).toList();
    this.room = room;
  }

  /**
   * @param items as many as fill the bins; of one id no more than there are bins
   * @return the ids in each bin
   */
  static List<List<Integer>> pack(List<Item> items, int bins) {
    Packing packing = new Packing(bins, items.size() / bins);
    items.stream()
        .sorted(Comparator.comparingDouble(Item::load).reversed())
        .forEach(packing::place);
    return packing.bins.stream().map(b -> b.items.stream().map(Item::id).toList()).toList();
  }

  private void place(Item item) {
    Optional<Bin> lightest =
        bins.stream()
            .filter(b -> b.items.size() < room && !b.holds(item.id))
            .min(Comparator.comparingDouble(b -> b.load));
    if (lightest.isPresent()) {
      lightest.get().add(item);
    } else {
      swapIn(item);
    }
  }

  /** All bins with room hold the item's like: a full one takes it and gives another of its own. */
  private void swapIn(Item item) {
    Bin open =
        bins.stream()
            .filter(b -> b.items.size() < room)
            .min(Comparator.comparingDouble(b -> b.load))
            .orElseThrow();
    Swap best =
        bins.stream()
            .filter(b -> !b.holds(item.id))
            .flatMap(
                full ->
                    full.items.stream()
                        .filter(given -> !open.holds(given.id))
                        .map(given -> swap(open, full, item, given)))
            .min(Comparator.comparingDouble(Swap::heavier))
            .orElseThrow();
    best.full.remove(best.given);
    best.full.add(item);
    open.add(best.given);
  }

  private static Swap swap(Bin open, Bin full, Item item, Item given) {
    double heavier = Math.max(open.load + given.load, full.load - given.load + item.load);
    return new Swap(full, given, heavier);
  }
}
