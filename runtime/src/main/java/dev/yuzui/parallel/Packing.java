package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Bins of limited room, as equally loaded as a greedy choice makes them: the heaviest item that is
 * left goes to the lightest bin that has room. Items of one id go to different bins.
 */
final class Packing {
  record Item(int id, double load) {}

  private static final class Bin {
    private final int room;
    private final List<Item> items = new ArrayList<>();
    private double load;

    Bin(int room) {
      this.room = room;
    }

    boolean isOpen() {
      return items.size() < room;
    }

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

  private Packing(List<Integer> rooms) {
    this.bins = rooms.stream().map(Bin::new).toList();
  }

  /**
   * @param items as many as the bins have room for; of one id no more than there are bins
   * @param rooms items of each bin at most
   * @return the ids in each bin; where bins are of different sizes, one may stay open for want of
   *     an item that it can take
   */
  static List<List<Integer>> pack(List<Item> items, List<Integer> rooms) {
    Packing packing = new Packing(rooms);
    items.stream()
        .sorted(Comparator.comparingDouble(Item::load).reversed())
        .forEach(packing::place);
    return packing.bins.stream().map(b -> b.items.stream().map(Item::id).toList()).toList();
  }

  private void place(Item item) {
    lightest(bins.stream().filter(b -> b.isOpen() && !b.holds(item.id)).toList())
        .ifPresentOrElse(bin -> bin.add(item), () -> swapIn(item));
  }

  private static Optional<Bin> lightest(List<Bin> bins) {
    return bins.stream().min(Comparator.comparingDouble(b -> b.load));
  }

  /** All bins with room hold the item's like: a full one takes it and gives another of its own. */
  private void swapIn(Item item) {
    Bin open = lightest(bins.stream().filter(Bin::isOpen).toList()).orElseThrow();
    Optional<Swap> best =
        bins.stream()
            .filter(b -> !b.holds(item.id))
            .flatMap(
                full ->
                    full.items.stream()
                        .filter(given -> !open.holds(given.id))
                        .map(given -> swap(open, full, item, given)))
            .min(Comparator.comparingDouble(Swap::heavier));
    best.ifPresent(
        swap -> {
          swap.full.remove(swap.given);
          swap.full.add(item);
          open.add(swap.given);
        });
  }

  private static Swap swap(Bin open, Bin full, Item item, Item given) {
    double heavier = Math.max(open.load + given.load, full.load - given.load + item.load);
    return new Swap(full, given, heavier);
  }
}
