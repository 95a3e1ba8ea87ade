package dev.yuzui.engine.plan;

import static dev.yuzui.engine.plan.FarDevice.GIB;
import static dev.yuzui.engine.plan.FarDevice.cpu;
import static dev.yuzui.engine.plan.FarDevice.gib;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.Distribution.Split;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.ExpertLoads;
import dev.yuzui.parallel.ExpertLoadsFile;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.SyntheticCheckpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** V2-Lite, 9.6 GiB in Q4_K_M, nearly all of it in 26 layers of 64 routed experts, on paper. */
class PlannerTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final int EXPERTS = 64;
  private static final int LAYERS = 27;

  private static Checkpoint lite;

  @TempDir private Path folder;

  @BeforeAll
  static void open() {
    lite = SyntheticCheckpoint.repeating("v2-lite", "Q4_K_M", 1);
  }

  @AfterAll
  static void close() {
    lite.close();
  }

  private static RuntimeOptions options(Distribution how) {
    return RuntimeOptions.of(lite.path()).withDistribution(how);
  }

  private static MemoryPlan plan(List<Device> devices, Distribution how) {
    return MemoryPlan.of(lite, devices, options(how));
  }

  private static MemoryPlan fit(List<Device> devices, Distribution how) {
    return MemoryPlan.of(lite, devices, options(how).withFit());
  }

  /** How many experts of a layer each device has. */
  private static List<Integer> sizes(MemoryPlan plan, int layer) {
    return placement(plan, layer).devices().stream().map(List::size).toList();
  }

  private static ExpertPlacement placement(MemoryPlan plan, int layer) {
    return plan.layout().experts().get(layer).orElseThrow();
  }

  /** Every layer is somewhere in each rank, and every expert of it. */
  private static void assertWhole(MemoryPlan plan) {
    int layers = plan.layout().experts().size();
    assertEquals(plan.devices().size(), plan.layout().devices());
    plan.layout().ranks().forEach(rank -> assertEquals(layers, rank.size()));
    for (int layer = 0; layer < layers; layer++) {
      plan.layout()
          .experts()
          .get(layer)
          .ifPresent(
              p -> {
                Set<Integer> all = new TreeSet<>();
                p.devices().forEach(all::addAll);
                assertEquals(p.experts(), all.size());
                assertEquals(plan.layout().devices(), p.devices().size());
              });
    }
  }

  private static List<Device> with(List<Device> devices, Device last) {
    return Stream.concat(devices.stream(), Stream.of(last)).toList();
  }

  @Test
  void oneDeviceHasEverything() {
    MemoryPlan plan = plan(gib(24), Distribution.LAYERS);
    assertEquals(List.of(Collections.nCopies(LAYERS, 0)), plan.layout().ranks());
    assertEquals(List.of(EXPERTS), sizes(plan, 1));
    assertEquals(List.of(), plan.reasons());
    long weights =
        lite.weights().stream()
            .mapToLong(w -> w.count() * w.encoding().byteSize(w.rows(), w.cols()))
            .sum();
    assertEquals(weights, plan.deviceWeightBytes());
    assertEquals(0, plan.devices().getFirst().exchangeBytes());
  }

  @Test
  void expertParallelDevicesHaveEverythingDenseAndAPartOfTheExperts() {
    MemoryPlan plan =
        MemoryPlan.of(
            lite,
            gib(24, 24, 24),
            options(Distribution.LAYERS.withExpertParallel()).withMaxSequences(8));
    assertWhole(plan);
    assertEquals(
        IntStream.range(0, 3).mapToObj(d -> Collections.nCopies(LAYERS, d)).toList(),
        plan.layout().ranks());
    assertEquals(List.of(22, 21, 21), sizes(plan, 1));
    assertEquals(List.of(22, 21, 21), sizes(plan, LAYERS - 1));
    assertEquals(3, plan.rankSequences(), "8 sequences over 3 devices");
    assertEquals(3 * 4096 / 64, plan.cachePages());
    long one = plan(gib(24), Distribution.LAYERS).deviceWeightBytes();
    long[] weights = plan.devices().stream().mapToLong(DeviceMemory::weightBytes).toArray();
    assertTrue(weights[0] < one / 2 && weights[0] > one / 3, weights[0] + " of " + one);
    long dense = (weights[0] + weights[1] + weights[2] - one) / 2;
    assertEquals(one, weights[0] + weights[1] + weights[2] - 2 * dense);
    assertTrue(plan.devices().stream().allMatch(d -> d.exchangeBytes() > 0));
    assertTrue(plan.fits());
  }

  @ParameterizedTest(name = "free GiB {0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          3.5 8 8      | true
          4 5 5        | true
          24 3         | true
          4 4          | false
          """)
  void aDeviceHoldsNoMoreExpertsThanItsMemory(String free, boolean fits) {
    List<Device> devices =
        gib(Stream.of(free.split(" ")).mapToDouble(Double::parseDouble).toArray());
    MemoryPlan plan = plan(devices, Distribution.LAYERS.withExpertParallel());
    assertWhole(plan);
    assertEquals(fits, plan.fits(), plan.devices().toString());
  }

  @Test
  void moreDevicesThanExpertsLeaveSomeWithout() {
    try (Checkpoint small = Checkpoints.open(GOLDEN.resolve("v3-f32"))) {
      int experts = small.config().gate().experts();
      MemoryPlan plan =
          MemoryPlan.of(
              small,
              gib(IntStream.range(0, experts + 2).mapToDouble(_ -> 1).toArray()),
              RuntimeOptions.of(small.path())
                  .withDistribution(Distribution.LAYERS.withExpertParallel()));
      assertWhole(plan);
      List<Integer> sizes = sizes(plan, small.config().firstDense());
      assertEquals(List.of(0, 0), sizes.subList(experts, experts + 2));
      assertTrue(plan.fits());
    }
  }

  @Test
  void replicasOfTheHotExpertsEvenOutWhatWasCounted() {
    Path file = loads();
    Distribution parallel = Distribution.LAYERS.withExpertParallel().withLoads(file);
    long[] tokens = ExpertLoadsFile.read(file).tokens(5);
    double inOrder =
        placement(plan(gib(24, 24, 24), Distribution.LAYERS.withExpertParallel()), 5)
            .imbalance(tokens);
    MemoryPlan placed = plan(gib(24, 24, 24), parallel);
    MemoryPlan replicated = plan(gib(24, 24, 24), parallel.withRedundantExperts(8));
    assertWhole(replicated);
    assertEquals(List.of(24, 24, 24), sizes(replicated, 5));
    double balanced = placement(replicated, 5).imbalance(tokens);
    assertTrue(inOrder > 1.3, "" + inOrder);
    assertTrue(placement(placed, 5).imbalance(tokens) < inOrder);
    assertTrue(balanced < 1.05, "" + balanced);
    String reason = replicated.reasons().getFirst();
    assertTrue(reason.contains("24 on far:0, 24 on far:1, 24 on far:2"), reason);
    assertTrue(reason.contains("busiest device over the mean 1.0"), reason);
  }

  @Test
  void moreReplicasThanDevicesCanHoldAreRefused() {
    assertEquals(
        "Distribution.redundantExperts: expected at most 64, which is each of the 64 experts on each of"
            + " the 2 devices, found 65",
        message(gib(24, 24), Distribution.LAYERS.withExpertParallel().withRedundantExperts(65)));
  }

  @Test
  void countsOfAnotherModelAreRefused() {
    Path file = folder.resolve("other.json");
    ExpertLoadsFile.write(file, new ExpertLoads("other", "ab", EXPERTS));
    String message = message(gib(24, 24), Distribution.LAYERS.withExpertParallel().withLoads(file));
    assertTrue(
        message.startsWith("Distribution.loads " + file + ": the loads are of another model"));
    assertTrue(message.contains("yuzui experts"), message);
  }

  @Test
  void expertParallelismOnOneDeviceIsRefused() {
    assertEquals(
        "Distribution.expertParallel: expected two or more devices, such as RuntimeOptions.devices cuda:0,cuda:1,"
            + " found far:0",
        message(gib(24), Distribution.LAYERS.withExpertParallel()));
  }

  private static String message(List<Device> devices, Distribution how) {
    return assertThrows(EngineException.class, () -> plan(devices, how)).getMessage();
  }

  @Test
  void splitByExpertsOnlyTheFirstDeviceRunsAttention() {
    MemoryPlan plan = plan(gib(24, 24), Distribution.LAYERS.withSplit(Split.EXPERT));
    assertWhole(plan);
    assertEquals(List.of(Collections.nCopies(LAYERS, 0)), plan.layout().ranks());
    assertEquals(List.of(32, 32), sizes(plan, 1));
    assertEquals(0, plan.devices().getLast().cacheBytes());
    MemoryPlan uneven = plan(gib(24, 2), Distribution.LAYERS.withSplit(Split.EXPERT));
    assertTrue(sizes(uneven, 1).getLast() < 20 && uneven.fits(), "" + sizes(uneven, 1));
  }

  @Test
  void layersLieOverDevicesInProportionToTheirMemory() {
    MemoryPlan plan = plan(gib(16, 8, 24), Distribution.LAYERS);
    assertWhole(plan);
    List<Integer> rank = plan.layout().ranks().getFirst();
    assertEquals(rank.stream().sorted().toList(), rank);
    assertEquals(9, Collections.frequency(rank, 0), 1);
    assertEquals(4.5, Collections.frequency(rank, 1), 1);
    assertEquals(13.5, Collections.frequency(rank, 2), 1);
    for (int layer = 1; layer < LAYERS; layer++) {
      assertTrue(plan.layout().local(layer), "experts lie with their layer");
    }
    assertEquals(
        plan(gib(48), Distribution.LAYERS).cacheBytes(), plan.cacheBytes(), "each layer's once");
    assertEquals(plan(gib(48), Distribution.LAYERS).deviceWeightBytes(), plan.deviceWeightBytes());
  }

  @Test
  void mtpLayersAndHeadLieWithTheLastLayer() {
    try (Checkpoint small = Checkpoints.open(GOLDEN.resolve("v3-f32"))) {
      MemoryPlan plan = MemoryPlan.of(small, gib(1, 1), RuntimeOptions.of(small.path()));
      List<Integer> rank = plan.layout().ranks().getFirst();
      int layers = small.config().layers();
      assertTrue(small.config().mtpLayers() > 0);
      assertEquals(layers + small.config().mtpLayers(), rank.size());
      assertEquals(Set.of(0, 1), Set.copyOf(rank));
      assertEquals(1, rank.get(layers - 1));
      assertEquals(1, rank.getLast());
      assertWhole(plan);
    }
  }

  @Test
  void theFirstLayersExpertsMayStayOnTheProcessor() {
    List<Device> devices = with(gib(24), cpu(64));
    MemoryPlan plan = plan(devices, Distribution.LAYERS.withCpuExpertLayers(10));
    assertWhole(plan);
    assertEquals(List.of(Collections.nCopies(LAYERS, 0)), plan.layout().ranks());
    for (int layer = 1; layer < LAYERS; layer++) {
      assertEquals(layer <= 10 ? List.of(0, EXPERTS) : List.of(EXPERTS, 0), sizes(plan, layer));
    }
    MemoryPlan all = plan(devices, Distribution.LAYERS.withCpuExpertLayers(Integer.MAX_VALUE));
    assertTrue(all.deviceWeightBytes() < GIB, "only what is dense is on the device");
    assertEquals(List.of("the experts of 26 of 26 layers on cpu"), all.reasons());
    MemoryPlan three = plan(with(gib(8, 8), cpu(64)), Distribution.LAYERS.withCpuExpertLayers(13));
    assertWhole(three);
    assertEquals(Set.of(0, 1), Set.copyOf(three.layout().ranks().getFirst()));
    assertTrue(
        Collections.frequency(three.layout().ranks().getFirst(), 0) > 15,
        "the layers without experts take little");
  }

  @Test
  void theMostUsedExpertsAreOnTheFastDeviceWithinItsBudget() {
    Path file = loads();
    List<Device> devices = with(gib(24), cpu(64));
    Distribution budget = Distribution.LAYERS.withExpertBudget(2 * GIB);
    MemoryPlan plan = plan(devices, budget.withLoads(file));
    assertWhole(plan);
    long dense = plan(devices, Distribution.LAYERS.withExpertBudget(0)).deviceWeightBytes();
    long taken = plan.deviceWeightBytes() - dense;
    assertTrue(taken <= 2 * GIB && taken > 1.99 * GIB, taken + " of 2 GiB");
    long[] tokens = ExpertLoadsFile.read(file).tokens(5);
    List<Integer> here = placement(plan, 5).devices().getFirst();
    long least = here.stream().mapToLong(e -> tokens[e]).min().orElseThrow();
    assertTrue(placement(plan, 5).devices().getLast().stream().allMatch(e -> tokens[e] <= least));
    assertTrue(share(plan, file) > 1.5 * share(plan(devices, budget), file));
    assertTrue(plan.reasons().getFirst().contains("as counted"), "" + plan.reasons());
    assertEquals(
        List.of(EXPERTS, 0),
        sizes(plan(devices, Distribution.LAYERS.withExpertBudget(100 * GIB)), 1));
  }

  private static double share(MemoryPlan plan, Path file) {
    ExpertLoads loads = ExpertLoadsFile.read(file);
    return IntStream.range(1, LAYERS)
        .mapToDouble(layer -> placement(plan, layer).loads(loads.tokens(layer))[0])
        .sum();
  }

  /** Zipf's law, the hot experts of a layer beside each other. */
  private Path loads() {
    ExpertLoads loads = new ExpertLoads(lite.config().name(), lite.fingerprint(), EXPERTS);
    for (int layer = 1; layer < LAYERS; layer++) {
      for (int rank = 0; rank < EXPERTS; rank++) {
        loads.add(layer, (40 + rank) % EXPERTS, 100_000 / (rank + 1));
      }
    }
    Path file = folder.resolve("loads.json");
    ExpertLoadsFile.write(file, loads);
    return file;
  }

  @Test
  void devicesOfOneMemoryShareIt() {
    Device cpu = cpu(64);
    List<Device> both =
        List.of(
            new Device("cpu:0", cpu.provider(), cpu.device()),
            new Device("cpu:1", cpu.provider(), cpu.device()));
    plan(both, Distribution.LAYERS.withExpertParallel())
        .devices()
        .forEach(d -> assertEquals(32 * GIB, d.availableBytes()));
    List<Device> twice = new ArrayList<>(gib(24, 8));
    twice.add(twice.getFirst());
    assertEquals(
        List.of(12 * GIB, 8 * GIB, 12 * GIB),
        plan(twice, Distribution.LAYERS).devices().stream()
            .map(DeviceMemory::availableBytes)
            .toList());
  }

  @Test
  void theComplaintNamesTheDeviceThatIsShort() {
    MemoryPlan plan = plan(gib(12, 1), Distribution.LAYERS.withExpertParallel());
    assertTrue(plan.missingBytes() > 0);
    String complaint = plan.complaint();
    assertTrue(complaint.contains("does not fit on far:1: "), complaint);
    assertTrue(complaint.contains("for the exchange of rows"), complaint);
    assertTrue(complaint.contains("more than the 1.0 GiB free"), complaint);
  }

  @Test
  void whoHasTooSmallADeviceIsToldThatExpertsMayLieElsewhere() {
    List<String> advice = plan(gib(6), Distribution.ANY).advice();
    assertTrue(
        advice.contains("RuntimeOptions.fit, which keeps experts on the CPU if need be"),
        "" + advice);
    assertEquals(List.of(), plan(gib(24), Distribution.ANY).advice());
  }

  @ParameterizedTest(name = "free GiB {0} and {1} of the processor: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          24        | 64 | everything on far:0
          24 24     | 64 | everything on far:0
          8 8       | 64 | layers over devices
          4 4 4     | 64 | layers over devices
          6         | 64 | all that is dense
          3 3       | 64 | all that is dense
          0.5       | 64 | layers over devices
          """)
  void fitChoosesByFreeMemoryAlone(String free, double host, String chosen) {
    List<Device> devices =
        with(gib(Stream.of(free.split(" ")).mapToDouble(Double::parseDouble).toArray()), cpu(host));
    MemoryPlan plan = fit(devices, Distribution.ANY);
    assertWhole(plan);
    assertEquals(1, plan.reasons().size());
    assertTrue(plan.reasons().getFirst().startsWith(chosen), "" + plan.reasons());
    assertTrue(plan.fits(), plan.complaint());
  }

  @Test
  void fitPutsAsManyHotExpertsOnTheDeviceAsItHolds() {
    Path file = loads();
    MemoryPlan plan = fit(with(gib(6), cpu(64)), Distribution.ANY.withLoads(file));
    DeviceMemory first = plan.devices().getFirst();
    assertTrue(first.totalBytes() > 0.9 * first.availableBytes(), first.toString());
    assertTrue(plan.contextLength() >= 4000, "" + plan.contextLength());
    assertTrue(plan.reasons().getFirst().contains("would take"), "" + plan.reasons());
    assertTrue(share(plan, file) > 0);
  }

  @Test
  void whatIsAskedForIsNotChosenByFit() {
    MemoryPlan plan = fit(gib(48, 48), Distribution.LAYERS.withExpertParallel());
    assertEquals(2, plan.layout().ranks().size());
    assertEquals(lite.config().contextLength(), plan.contextLength());
    MemoryPlan layers = fit(gib(48, 48), Distribution.LAYERS);
    assertEquals(Set.of(0, 1), Set.copyOf(layers.layout().ranks().getFirst()));
  }
}
