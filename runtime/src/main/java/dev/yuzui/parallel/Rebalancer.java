package dev.yuzui.parallel;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Places experts anew, as they were used since they were placed last: after every so many steps the
 * layers that would be more even otherwise, one layer after a step, so that no step waits long.
 * Every device keeps as many experts of a layer as it has.
 */
public final class Rebalancer {
  /** What a new placement must gain: experts that move are read and packed again. */
  private static final double GAIN = 0.05;

  private final ExpertSource source;
  private final int interval;
  private final Consumer<String> log;
  private final Queue<DeviceExchange> due = new ArrayDeque<>();
  private final Map<Integer, long[]> before = new HashMap<>();
  private long steps;

  /**
   * @param interval steps from one look at the loads to the next
   * @param log a line for each layer whose experts moved
   */
  public Rebalancer(ExpertSource source, int interval, Consumer<String> log) {
    this.source = source;
    this.interval = interval;
    this.log = log;
  }

  /** Between two steps, when nothing is under way. */
  void stepDone(Exchanges exchanges) {
    steps++;
    if (due.isEmpty() && steps % interval == 0) {
      due.addAll(exchanges.layers());
    }
    if (!due.isEmpty()) {
      place(due.remove());
    }
  }

  private void place(DeviceExchange layer) {
    long[] all = layer.tokens();
    long[] tokens = all.clone();
    long[] counted = before.getOrDefault(layer.layer(), new long[all.length]);
    Arrays.setAll(tokens, e -> all[e] - counted[e]);
    before.put(layer.layer(), all);
    ExpertPlacement now = layer.placement();
    SlotBalancer balancer = new SlotBalancer(now.devices().stream().map(List::size).toList());
    ExpertPlacement then = balancer.place(tokens);
    double was = now.imbalance(tokens);
    double is = then.imbalance(tokens);
    if (is > was * (1 - GAIN)) {
      return;
    }
    int replicas = layer.move(matched(layer.held(), then.devices()), source);
    log.accept(
        String.format(
            Locale.ROOT,
            "layer %d: busiest device over the mean %.2f, %.2f after %d experts moved",
            layer.layer(),
            was,
            is,
            replicas));
  }

  /**
   * Gives each device the new set, of as many experts, that it has most of already, and puts what
   * is new to it where something goes.
   *
   * @param held by slot
   */
  static List<List<Integer>> matched(List<List<Integer>> held, List<List<Integer>> wanted) {
    record Pair(int device, int set, long common) {}
    List<Pair> pairs = new ArrayList<>();
    for (int d = 0; d < held.size(); d++) {
      for (int s = 0; s < wanted.size(); s++) {
        if (held.get(d).size() == wanted.get(s).size()) {
          pairs.add(new Pair(d, s, held.get(d).stream().filter(wanted.get(s)::contains).count()));
        }
      }
    }
    pairs.sort(Comparator.comparingLong(Pair::common).reversed());
    Map<Integer, Integer> setOf = new HashMap<>();
    for (Pair pair : pairs) {
      if (!setOf.containsKey(pair.device()) && !setOf.containsValue(pair.set())) {
        setOf.put(pair.device(), pair.set());
      }
    }
    return IntStream.range(0, held.size())
        .mapToObj(d -> replaced(held.get(d), wanted.get(setOf.get(d))))
        .toList();
  }

  private static List<Integer> replaced(List<Integer> held, List<Integer> wanted) {
    Queue<Integer> fresh =
        new ArrayDeque<>(wanted.stream().filter(e -> !held.contains(e)).toList());
    return held.stream().map(e -> wanted.contains(e) ? e : fresh.remove()).toList();
  }
}
