package dev.yuzui.parallel;

import dev.yuzui.parallel.Packing.Item;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Replicates and packs experts over devices that hold a number each, by their loads: the expert
 * with the most tokens a replica is held once more until all slots are used, then replicas are
 * packed so that devices get as equal tokens as their slots allow. No device holds an expert twice.
 *
 * @param slots experts that each device holds
 */
public record SlotBalancer(List<Integer> slots) {

  public SlotBalancer {
    slots = List.copyOf(slots);
  }

  /** Slots of all devices together. */
  public int total() {
    return slots.stream().mapToInt(s -> s).sum();
  }

  /**
   * @param tokens of each expert; equal ones where nothing is known
   * @throws IllegalArgumentException if an expert finds no slot, or a device has more slots than
   *     there are experts
   */
  public ExpertPlacement place(long[] tokens) {
    if (total() < tokens.length || slots.stream().anyMatch(s -> s > tokens.length)) {
      throw new IllegalArgumentException(tokens.length + " experts in slots " + slots);
    }
    List<Integer> all = IntStream.range(0, tokens.length).boxed().toList();
    return new ExpertPlacement(tokens.length, place(all, tokens));
  }

  /** As many experts as there are slots, as they are numbered: first those of the first device. */
  public ExpertPlacement inOrder() {
    List<List<Integer>> held = new ArrayList<>();
    int next = 0;
    for (int n : slots) {
      held.add(IntStream.range(next, next + n).boxed().toList());
      next += n;
    }
    return new ExpertPlacement(next, held);
  }

  /**
   * @param members the experts that are placed
   * @param tokens of all experts
   */
  List<List<Integer>> place(List<Integer> members, long[] tokens) {
    List<List<Integer>> packed = Packing.pack(items(members, tokens), slots);
    return fill(packed.stream().<List<Integer>>map(ArrayList::new).toList(), members, tokens);
  }

  /** An item for each slot: an expert, with the tokens of one of its replicas. */
  private List<Item> items(List<Integer> members, long[] tokens) {
    int[] replicas = new int[tokens.length];
    members.forEach(e -> replicas[e] = 1);
    int most = (int) slots.stream().filter(s -> s > 0).count();
    for (int spare = total() - members.size(); spare > 0; spare--) {
      replicas[busiest(members.stream().filter(e -> replicas[e] < most), tokens, replicas)]++;
    }
    return members.stream()
        .flatMap(
            e -> Collections.nCopies(replicas[e], new Item(e, share(tokens, replicas, e))).stream())
        .toList();
  }

  /** Slots that no item could take go to the busiest experts that are not there yet. */
  private List<List<Integer>> fill(List<List<Integer>> held, List<Integer> members, long[] tokens) {
    int[] replicas = new int[tokens.length];
    held.forEach(device -> device.forEach(e -> replicas[e]++));
    for (int d = 0; d < held.size(); d++) {
      List<Integer> device = held.get(d);
      while (device.size() < slots.get(d)) {
        int more = busiest(members.stream().filter(e -> !device.contains(e)), tokens, replicas);
        device.add(more);
        replicas[more]++;
      }
    }
    return held;
  }

  /** The expert with the most tokens a replica, the first of equals. */
  private static int busiest(Stream<Integer> of, long[] tokens, int[] replicas) {
    return of.reduce((a, b) -> share(tokens, replicas, b) > share(tokens, replicas, a) ? b : a)
        .orElseThrow();
  }

  private static double share(long[] tokens, int[] replicas, int expert) {
    return (double) tokens[expert] / replicas[expert];
  }

  /**
   * Slots for {@code total} experts, none more than {@code most}: the same number on each device
   * where they have room for it (the first ones take what is left over), else in proportion to
   * their room. Where that is not enough for all, it is exceeded in the same proportion.
   *
   * @param room experts that each device has memory for
   */
  public static SlotBalancer share(int total, int most, long[] room) {
    int devices = room.length;
    int each = Math.ceilDiv(total, devices);
    if (Arrays.stream(room).allMatch(r -> r >= each)) {
      return new SlotBalancer(
          IntStream.range(0, devices)
              .mapToObj(d -> total / devices + (d < total % devices ? 1 : 0))
              .toList());
    }
    long[] limit = Arrays.stream(room).map(r -> Math.clamp(r, 0, most)).toArray();
    boolean enough = Arrays.stream(limit).sum() >= total;
    double[] weight = Arrays.stream(limit).mapToDouble(r -> r).toArray();
    if (Arrays.stream(limit).allMatch(r -> r == 0)) {
      Arrays.fill(weight, 1);
    }
    int[] slots = new int[devices];
    for (int i = 0; i < total; i++) {
      int next = -1;
      for (int d = 0; d < devices; d++) {
        boolean open = slots[d] < (enough ? limit[d] : most);
        if (open && (next < 0 || weight[d] * (slots[next] + 1) > weight[next] * (slots[d] + 1))) {
          next = d;
        }
      }
      slots[next]++;
    }
    return new SlotBalancer(Arrays.stream(slots).boxed().toList());
  }
}
