package dev.yuzui.engine.step;

import dev.yuzui.engine.step.Leg.Then;
import dev.yuzui.parallel.Arrival;
import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.DeviceGroup;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs the legs of a step.
 *
 * @param ranks by number
 */
record LegRunner(DeviceGroup group, List<RankRunner> ranks) {

  /** Of the only rank. */
  void run(RankRunner rank, List<Leg> course) {
    for (Leg leg : course) {
      group.run(leg.device(), leg);
      switch (leg.then()) {
        case Then.End _ -> {}
        case Then.Move move -> move(move);
        case Then.Meet meet ->
            meet.exchange().meet(List.of(rank.arrival(meet.sent(), meet.beside()::replay)));
      }
    }
  }

  /**
   * Runs the legs of the ranks; whoever comes to a meeting waits until all have come to one or to
   * their end. The meeting of the earliest layer is held first.
   */
  void run(Map<Integer, List<Leg>> courses) {
    Map<Integer, Integer> ready = new TreeMap<>(); // ranks, and the leg that comes next
    Map<Integer, Integer> waiting = new TreeMap<>(); // ranks, and the leg that ended in a meeting
    courses.keySet().forEach(rank -> ready.put(rank, 0));
    while (!ready.isEmpty()) {
      Map<Integer, Runnable> tasks = new TreeMap<>();
      ready.forEach(
          (rank, leg) ->
              tasks.put(courses.get(rank).get(leg).device(), courses.get(rank).get(leg)));
      group.each(tasks);
      for (Map.Entry<Integer, Integer> entry : List.copyOf(ready.entrySet())) {
        int rank = entry.getKey();
        int leg = entry.getValue();
        switch (courses.get(rank).get(leg).then()) {
          case Then.End _ -> ready.remove(rank);
          case Then.Move move -> {
            move(move);
            ready.put(rank, leg + 1);
          }
          case Then.Meet _ -> {
            ready.remove(rank);
            waiting.put(rank, leg);
          }
        }
      }
      if (ready.isEmpty() && !waiting.isEmpty()) {
        meet(courses, waiting, ready);
      }
    }
  }

  private void move(Then.Move move) {
    group.each(
        Map.of(
            move.toDevice(),
            () -> group.copy(move.fromDevice(), move.from(), move.toDevice(), move.to())));
  }

  private void meet(
      Map<Integer, List<Leg>> courses, Map<Integer, Integer> waiting, Map<Integer, Integer> ready) {
    Map<Integer, Then.Meet> meetings = new TreeMap<>();
    waiting.forEach(
        (rank, leg) -> meetings.put(rank, (Then.Meet) courses.get(rank).get(leg).then()));
    DeviceExchange earliest =
        meetings.values().stream()
            .map(Then.Meet::exchange)
            .min(Comparator.comparingInt(DeviceExchange::layer))
            .orElseThrow();
    List<Arrival> arrivals = new ArrayList<>();
    meetings.forEach(
        (rank, meeting) -> {
          if (meeting.exchange() == earliest) {
            arrivals.add(ranks.get(rank).arrival(meeting.sent(), meeting.beside()::replay));
            ready.put(rank, waiting.remove(rank) + 1);
          }
        });
    earliest.meet(arrivals);
  }
}
