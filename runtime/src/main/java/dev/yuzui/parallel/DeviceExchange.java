package dev.yuzui.parallel;

import dev.yuzui.parallel.ExchangePlan.Choice;
import dev.yuzui.parallel.ExchangePlan.Parcel;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * A layer whose routed experts several devices hold. The host reads what the gates of all ranks
 * chose; rows go to the devices of their experts, each at most once, and what comes back is the
 * weighted sum over the experts there, so that a row costs 2·H numbers for each other device it
 * visits. The shared expert runs meanwhile.
 */
public final class DeviceExchange {
  private final Exchanges all;
  private final int layer;
  private final int experts;
  private List<Optional<ExpertShard>> shards = List.of();
  private int[][] hosts = {};
  private int[][] local = {};
  private final long[] tokens;

  /**
   * @param shards what each device holds
   */
  DeviceExchange(Exchanges all, int layer, int experts, List<Optional<ExpertShard>> shards) {
    this.all = all;
    this.layer = layer;
    this.experts = experts;
    this.tokens = new long[experts];
    place(shards);
  }

  public int layer() {
    return layer;
  }

  /** From the next meeting on, experts are where this says. */
  void place(List<Optional<ExpertShard>> where) {
    int[][] numbers = new int[where.size()][experts];
    List<List<Integer>> holders = new ArrayList<>();
    for (int e = 0; e < experts; e++) {
      holders.add(new ArrayList<>());
    }
    for (int d = 0; d < where.size(); d++) {
      Arrays.fill(numbers[d], -1);
      List<Integer> held = where.get(d).map(ExpertShard::held).orElse(List.of());
      for (int i = 0; i < held.size(); i++) {
        numbers[d][held.get(i)] = i;
        holders.get(held.get(i)).add(d);
      }
    }
    for (int e = 0; e < experts; e++) {
      if (holders.get(e).isEmpty()) {
        throw new ParallelException("layer " + layer + ": no device holds expert " + e);
      }
    }
    shards = List.copyOf(where);
    local = numbers;
    hosts =
        holders.stream()
            .map(list -> list.stream().mapToInt(Integer::intValue).toArray())
            .toArray(int[][]::new);
  }

  /**
   * @throws ParallelException if an expert is on {@code device} alone
   */
  void requireOthers(int device) {
    for (int e = 0; e < experts; e++) {
      if (hosts[e].length == 1 && hosts[e][0] == device) {
        throw new ParallelException("expert " + e + " of layer " + layer + " was there alone");
      }
    }
  }

  void lose(int device) {
    List<Optional<ExpertShard>> left = new ArrayList<>(shards);
    left.set(device, Optional.empty());
    place(left);
  }

  /** The expert in each slot of each device. */
  List<List<Integer>> held() {
    return shards.stream().map(s -> s.map(ExpertShard::held).orElse(List.of())).toList();
  }

  ExpertPlacement placement() {
    return new ExpertPlacement(experts, held());
  }

  /**
   * Puts other experts into slots.
   *
   * @param wanted of each slot of each device
   * @return slots that changed
   */
  int move(List<List<Integer>> wanted, ExpertSource source) {
    List<Optional<ExpertShard>> moved = new ArrayList<>(shards);
    Map<Integer, List<Integer>> changed = new TreeMap<>();
    List<List<Integer>> held = held();
    for (int d = 0; d < held.size(); d++) {
      if (!wanted.get(d).equals(held.get(d))) {
        changed.put(d, wanted.get(d));
      }
    }
    try {
      all.each(
          changed,
          (room, experts) -> {
            ExpertShard shard = shards.get(room.device).orElseThrow();
            moved.set(room.device, Optional.of(shard.with(room.backend, layer, experts, source)));
          });
    } finally {
      place(moved); // of a device that failed, what it had
    }
    return changed.entrySet().stream()
        .mapToInt(
            c ->
                (int)
                    IntStream.range(0, c.getValue().size())
                        .filter(i -> !c.getValue().get(i).equals(held.get(c.getKey()).get(i)))
                        .count())
        .sum();
  }

  /** As {@link ExpertExchange}, for rows of a rank. */
  public ExpertExchange of(int rank, int device) {
    return (ops, meetings, x, ids, weights, shared, out) -> {
      Scratch scratch = ops.scratch();
      int copies = all.copies();
      long slots = x.rows() * copies;
      Tensor returned = scratch.f32("expert_returned", slots, x.cols());
      Tensor place = scratch.i32("expert_place", 1, slots);
      Sent sent = new Sent(rank, device, x, ids, weights, returned, place);
      meetings.meet(this, sent, shared.orElse(() -> {}));
      Dispatch back =
          new Dispatch(
              scratch.i32("expert_offset", 1, 2),
              scratch.i32("expert_slot", 1, slots),
              place,
              copies);
      ops.combine(returned, back, all.ones(device, x.rows()), shared.map(_ -> out), out);
    };
  }

  /**
   * Carries the rows of all ranks to their experts and what those make of them back. What was
   * enqueued before is done.
   *
   * @param arrivals of the ranks that have rows
   */
  public void meet(List<Arrival> arrivals) {
    Map<Integer, Arrival> byDevice = new TreeMap<>();
    arrivals.forEach(a -> byDevice.put(a.sent().device(), a));
    Choice[] choices = new Choice[arrivals.size()];
    all.each(byDevice, (room, a) -> choices[arrivals.indexOf(a)] = choice(room, a));
    int used = (int) arrivals.getFirst().sent().ids().cols();
    ExchangePlan plan = new ExchangePlan(List.of(choices), used, hosts, local);
    count(choices, plan);
    all.each(
        byDevice,
        (room, a) -> {
          gather(room, a.sent(), plan);
          a.beside().run();
        });
    Map<Integer, Sent> ranks = new TreeMap<>();
    arrivals.forEach(a -> ranks.put(a.sent().rank(), a.sent()));
    Map<Integer, Integer> busy = new TreeMap<>();
    for (int d = 0; d < shards.size(); d++) {
      if (plan.rows(d) > 0) {
        busy.put(d, d);
      }
    }
    all.each(busy, (room, d) -> compute(room, d, ranks, plan, used));
    all.each(byDevice, (room, a) -> collect(room, a.sent(), plan));
  }

  private void count(Choice[] choices, ExchangePlan plan) {
    for (Choice choice : choices) {
      for (int expert : choice.ids()) {
        if (expert >= 0) {
          tokens[expert]++;
        }
      }
    }
    for (int d = 0; d < shards.size(); d++) {
      int slots = 0;
      for (int id : plan.ids(d)) {
        slots += id >= 0 ? 1 : 0;
      }
      all.computed(d, slots);
    }
  }

  /** How often each expert was chosen since the start. */
  public long[] tokens() {
    return tokens.clone();
  }

  private static Choice choice(ExchangeRoom room, Arrival arrival) {
    Sent sent = arrival.sent();
    int rows = arrival.positions().length;
    return new Choice(
        sent.rank(),
        sent.device(),
        arrival.positions(),
        room.readInts(sent.ids().slice("ids", 0, rows)),
        room.readFloats(sent.weights().slice("weights", 0, rows)));
  }

  /** Puts the rows for other devices behind each other, those for this one into place. */
  private void gather(ExchangeRoom room, Sent sent, ExchangePlan plan) {
    int from = 0;
    int gone = 0;
    for (int d = 0; d < shards.size(); d++) {
      for (Parcel parcel : plan.to(d)) {
        if (parcel.rank() != sent.rank()) {
          continue;
        }
        int n = parcel.rows().length;
        boolean here = d == sent.device();
        Tensor to =
            here
                ? room.incoming.slice("incoming", parcel.first(), n)
                : room.outgoing.slice("outgoing", gone, n);
        room.queue.ops().embed(sent.x(), room.rows(from, parcel.rows()), to);
        from += n;
        gone += here ? 0 : n;
      }
    }
    room.queue.synchronize();
  }

  /** Where the rows of a rank for {@code device} begin in its outgoing ones. */
  private int outgoing(Sent sent, int device, ExchangePlan plan) {
    int before = 0;
    for (int d = 0; d < device; d++) {
      if (d != sent.device()) {
        before += rowsOf(sent, d, plan);
      }
    }
    return before;
  }

  private static int rowsOf(Sent sent, int device, ExchangePlan plan) {
    return plan.to(device).stream()
        .filter(p -> p.rank() == sent.rank())
        .mapToInt(p -> p.rows().length)
        .sum();
  }

  private void compute(
      ExchangeRoom room, int device, Map<Integer, Sent> ranks, ExchangePlan plan, int used) {
    for (Parcel parcel : plan.to(device)) {
      Sent sent = ranks.get(parcel.rank());
      if (sent.device() != device) {
        int n = parcel.rows().length;
        all.copy(
            sent.device(),
            all.room(sent.device()).outgoing.slice("outgoing", outgoing(sent, device, plan), n),
            device,
            room.incoming.slice("incoming", parcel.first(), n));
      }
    }
    Tensor ids = room.ids(plan.ids(device), used);
    Tensor weights = room.weights(plan.weights(device), used);
    LocalExperts here = shards.get(device).orElseThrow().weights();
    int most = room.backend.capabilities().maxTokens();
    int rows = plan.rows(device);
    Ops ops = room.queue.ops();
    for (int from = 0; from < rows; from += most) {
      int n = Math.min(most, rows - from);
      try (Scratch.Frame _ = ops.scratch().frame()) {
        here.forward(
            ops,
            Meetings.none(),
            room.incoming.slice("incoming", from, n),
            ids.slice("ids", from, n),
            weights.slice("weights", from, n),
            Optional.empty(),
            room.results.slice("results", from, n));
      }
    }
    room.queue.synchronize();
  }

  private void collect(ExchangeRoom room, Sent sent, ExchangePlan plan) {
    int copies = all.copies();
    int[] place = new int[(int) sent.place().cols()];
    int[] visits = new int[(int) sent.x().rows()];
    Arrays.fill(place, -1);
    int at = 0;
    int from = 0;
    for (int d = 0; d < shards.size(); d++) {
      for (Parcel parcel : plan.to(d)) {
        if (parcel.rank() != sent.rank()) {
          continue;
        }
        int n = parcel.rows().length;
        for (int i = 0; i < n; i++) {
          int row = parcel.rows()[i];
          place[row * copies + visits[row]++] = at + i;
        }
        Tensor to = sent.returned().slice("returned", at, n);
        if (d == sent.device()) {
          int[] rows = new int[n];
          Arrays.setAll(rows, i -> parcel.first() + i);
          room.queue.ops().embed(room.results, room.rows(from, rows), to);
          from += n;
        } else {
          all.copy(d, all.room(d).results.slice("results", parcel.first(), n), sent.device(), to);
        }
        at += n;
      }
    }
    room.write(sent.place(), place);
    room.queue.synchronize();
  }
}
