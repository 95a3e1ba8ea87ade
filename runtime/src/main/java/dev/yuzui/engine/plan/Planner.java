package dev.yuzui.engine.plan;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.Distribution.Split;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.parallel.HotExperts;
import dev.yuzui.parallel.LayerSplit;
import dev.yuzui.parallel.SlotBalancer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Lays a model over the devices it is given, as a {@link Distribution} says. */
final class Planner {
  private final Checkpoint checkpoint;
  private final DeepseekConfig config;
  private final List<DeviceRoom> rooms;
  private final RuntimeOptions options;
  private final ExpertUse use;
  private final int layers;
  private final int context;

  /**
   * @param context tokens of a sequence that there must be room for
   */
  Planner(
      Checkpoint checkpoint,
      List<DeviceRoom> rooms,
      RuntimeOptions options,
      ExpertUse use,
      int context) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.rooms = List.copyOf(rooms);
    this.options = options;
    this.use = use;
    this.layers = config.layers() + config.mtpLayers();
    this.context = context;
  }

  Layout layout(Distribution how) {
    int n = rooms.size();
    requireSense(how, n);
    if (n == 1) {
      return laid(single(), List.of());
    }
    if (how.expertParallel()) {
      List<Integer> all = IntStream.range(0, n).boxed().toList();
      return experts(all.stream().map(d -> Collections.nCopies(layers, d)).toList(), all, how);
    }
    OptionalInt host = how.cpuExpertLayers() > 0 ? host() : OptionalInt.empty();
    List<Integer> rest = IntStream.range(0, n).filter(d -> d != host.orElse(-1)).boxed().toList();
    List<Integer> onHost =
        host.isPresent() ? moeLayers().stream().limit(how.cpuExpertLayers()).toList() : List.of();
    Layout layout =
        how.expertBudget().isPresent()
            ? hot(how.expertBudget().getAsLong(), onHost)
            : how.split() == Split.EXPERT && rest.size() > 1
                ? experts(List.of(Collections.nCopies(layers, rest.getFirst())), rest, how)
                : layers(rest, onHost);
    return host.isEmpty() ? layout : withHost(layout, onHost, host.getAsInt());
  }

  private Layout laid(DevicePlan plan, List<String> reasons) {
    return Layout.of(checkpoint, rooms, plan, options, reasons);
  }

  private void requireSense(Distribution how, int devices) {
    if (how.expertParallel() && devices == 1) {
      throw new EngineException(
          "Distribution.expertParallel: expected two or more devices, such as RuntimeOptions.devices"
              + " cuda:0,cuda:1, found "
              + name(0));
    }
    if (experts() == 0 && (how.namesExperts() || how.expertParallel())) {
      throw new EngineException(
          checkpoint.path()
              + ": the model has no routed experts to place; leave out"
              + " Distribution.expertParallel, Distribution.split EXPERT,"
              + " Distribution.cpuExpertLayers and Distribution.expertBudget");
    }
  }

  private DevicePlan single() {
    List<Boolean> moe = IntStream.range(0, layers).mapToObj(config::isMoe).toList();
    return DevicePlan.single(moe, config.gate().experts());
  }

  private List<Integer> moeLayers() {
    return IntStream.range(0, layers).filter(config::isMoe).boxed().toList();
  }

  /** The first device of the processor's. */
  private OptionalInt host() {
    return IntStream.range(0, rooms.size())
        .filter(d -> rooms.get(d).device().provider().host())
        .findFirst();
  }

  /** Of what may be used, the bytes that are left for experts beside everything else. */
  private long expertRoom(int device, List<List<Integer>> ranks) {
    DevicePlan none =
        plan(
            ranks,
            _ -> new ExpertPlacement(experts(), Collections.nCopies(rooms.size(), List.of())));
    return DeviceDemand.usable(rooms.get(device).available())
        - DeviceDemand.of(checkpoint, none, device, rooms, options).total(context);
  }

  private int experts() {
    return config.gate().experts();
  }

  private interface Placing {
    ExpertPlacement of(int layer);
  }

  private DevicePlan plan(List<List<Integer>> ranks, Placing placing) {
    return new DevicePlan(
        rooms.size(),
        ranks,
        IntStream.range(0, layers)
            .mapToObj(
                layer ->
                    config.isMoe(layer)
                        ? Optional.of(placing.of(layer))
                        : Optional.<ExpertPlacement>empty())
            .toList());
  }

  /** The experts of every layer over some of the devices, as many of each layer on a device. */
  private Layout experts(List<List<Integer>> ranks, List<Integer> over, Distribution how) {
    int total = experts() + how.redundantExperts();
    if (how.redundantExperts() > (long) experts() * (over.size() - 1)) {
      throw new EngineException(
          "Distribution.redundantExperts: expected at most %d, which is each of the %d experts on each of the %d devices, found %d"
              .formatted(
                  experts() * (over.size() - 1), experts(), over.size(), how.redundantExperts()));
    }
    long[] room =
        over.stream().mapToLong(d -> expertRoom(d, ranks) / Math.max(1, slotBytes(d))).toArray();
    SlotBalancer slots = SlotBalancer.share(total, experts(), room);
    SlotBalancer wide =
        new SlotBalancer(
            IntStream.range(0, rooms.size())
                .map(d -> over.indexOf(d))
                .mapToObj(i -> i < 0 ? 0 : slots.slots().get(i))
                .toList());
    boolean inOrder = use.known().isEmpty() && how.redundantExperts() == 0;
    DevicePlan plan =
        plan(ranks, layer -> inOrder ? wide.inOrder() : wide.place(use.tokens(layer)));
    String counts =
        over.stream()
            .map(d -> wide.slots().get(d) + " on " + name(d))
            .collect(Collectors.joining(", "));
    return laid(
        plan,
        List.of(
            (ranks.size() > 1
                    ? "attention on every device for sequences of its own"
                    : "attention and all that is dense on " + name(ranks.getFirst().getFirst()))
                + "; of each layer's "
                + experts()
                + " experts "
                + (how.redundantExperts() > 0 ? "and " + how.redundantExperts() + " replicas " : "")
                + counts
                + use.balance(plan)));
  }

  /** Bytes of one expert of each layer. */
  private long slotBytes(int device) {
    DeviceWeights weights = rooms.get(device).weights();
    return moeLayers().stream().mapToLong(layer -> weights.expert(layer, experts())).sum();
  }

  /** The most used experts within {@code budget} on the first device, others on the last. */
  private Layout hot(long budget, List<Integer> elsewhere) {
    DeviceWeights weights = rooms.getFirst().weights();
    List<Integer> moe = moeLayers().stream().filter(l -> !elsewhere.contains(l)).toList();
    List<long[]> tokens = moe.stream().map(use::tokens).toList();
    long[] bytes = moe.stream().mapToLong(l -> weights.expert(l, experts())).toArray();
    List<List<Integer>> chosen = HotExperts.within(budget, tokens, bytes);
    int last = rooms.size() - 1;
    List<Integer> all = IntStream.range(0, experts()).boxed().toList();
    DevicePlan plan =
        plan(
            List.of(Collections.nCopies(layers, 0)),
            layer -> {
              List<Integer> here =
                  moe.contains(layer) ? chosen.get(moe.indexOf(layer)) : List.<Integer>of();
              List<List<Integer>> held = new ArrayList<>(Collections.nCopies(last + 1, List.of()));
              held.set(0, here);
              held.set(last, all.stream().filter(e -> !here.contains(e)).toList());
              return new ExpertPlacement(experts(), held);
            });
    int count = chosen.stream().mapToInt(List::size).sum();
    return laid(
        plan,
        List.of(
            String.format(
                Locale.ROOT,
                "all that is dense and %d of %d routed experts on %s, %.0f %% of the tokens' choices%s; the other experts on %s",
                count,
                moe.size() * experts(),
                name(0),
                100 * HotExperts.share(tokens, chosen),
                use.known().isPresent() ? " as counted" : " if all are used alike",
                name(last))));
  }

  /** Layers over some of the devices, with their experts but those of {@code elsewhere}. */
  private Layout layers(List<Integer> over, List<Integer> elsewhere) {
    double[][] full = over.stream().map(d -> fullness(d, elsewhere)).toArray(double[][]::new);
    List<Integer> main =
        LayerSplit.over(over.size(), config.layers(), (i, from, to) -> full[i][to] - full[i][from]);
    List<Integer> rank = new ArrayList<>(main.stream().map(over::get).toList());
    rank.addAll(Collections.nCopies(config.mtpLayers(), rank.getLast()));
    DevicePlan plan = plan(List.of(rank), layer -> allOn(rank.get(layer)));
    String ranges =
        over.stream().map(d -> name(d) + " " + range(rank, d)).collect(Collectors.joining(", "));
    return laid(
        plan,
        over.size() == 1
            ? List.of()
            : List.of("layers over devices by their free memory: " + ranges));
  }

  private static String range(List<Integer> rank, int device) {
    int first = rank.indexOf(device);
    return first < 0 ? "none" : first + "-" + rank.lastIndexOf(device);
  }

  private ExpertPlacement allOn(int device) {
    return new ExpertPlacement(
        experts(),
        IntStream.range(0, rooms.size())
            .mapToObj(
                d ->
                    d == device
                        ? IntStream.range(0, experts()).boxed().toList()
                        : List.<Integer>of())
            .toList());
  }

  /**
   * How full the layers before each make a device, with the embedding before the first of them, and
   * the head and the MTP layers behind the last.
   */
  private double[] fullness(int device, List<Integer> withoutExperts) {
    DeviceRoom room = rooms.get(device);
    long[] bytes = new long[config.layers() + 1];
    for (int layer = 0; layer < layers; layer++) {
      bytes[Math.min(layer + 1, config.layers())] +=
          layerBytes(room, layer, withoutExperts.contains(layer));
    }
    bytes[1] += larger(room, DeviceWeights::embedding);
    bytes[config.layers()] += larger(room, DeviceWeights::head);
    Arrays.parallelPrefix(bytes, Long::sum);
    double all = Math.max(1, layerRoom(device));
    return Arrays.stream(bytes).mapToDouble(b -> b / all).toArray();
  }

  /** A mapped file takes memory as well, once it is read. */
  private static long larger(DeviceRoom room, ToLongFunction<DeviceWeights> of) {
    return Math.max(of.applyAsLong(room.weights()), of.applyAsLong(room.stored()));
  }

  private long layerBytes(DeviceRoom room, int layer, boolean withoutExperts) {
    long pages =
        options.cache().pages() > 0
            ? options.cache().pages()
            : (long) Math.ceilDiv(context, options.cache().pageTokens()) * options.maxSequences();
    long cache =
        pages
            * options.cache().pageTokens()
            * KvCacheStore.bytesPerToken(
                List.of(config.cacheStreams(layer)), options.cache().encoding());
    int count = withoutExperts || !config.isMoe(layer) ? 0 : experts();
    return larger(room, w -> w.dense(layer) + w.experts(layer, count)) + cache;
  }

  /** For weights and cache, beside the working space. */
  private long layerRoom(int device) {
    DeviceRoom room = rooms.get(device);
    DeviceDemand demand = DeviceDemand.of(checkpoint, single(), 0, List.of(room), options);
    return DeviceDemand.usable(room.available()) - demand.scratch(context) - demand.exchange();
  }

  /** Moves the experts of some layers to the processor. */
  private Layout withHost(Layout layout, List<Integer> onHost, int host) {
    DevicePlan plan =
        plan(
            layout.plan().ranks(),
            layer ->
                onHost.contains(layer)
                    ? allOn(host)
                    : layout.plan().experts().get(layer).orElseThrow());
    List<String> reasons = new ArrayList<>(layout.reasons());
    reasons.add(
        "the experts of %d of %d layers on %s"
            .formatted(onHost.size(), moeLayers().size(), name(host)));
    return laid(plan, reasons);
  }

  private String name(int device) {
    return rooms.get(device).device().name();
  }
}
