package dev.yuzui.cli.scale;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.scale.ScaleModel.Copies;
import dev.yuzui.cli.scale.ScaleModel.Step;
import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.spi.GateRule;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.HfConfig;
import dev.yuzui.weights.Parameters;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScaleModelTest {
  private static final double NO_LIMIT = Double.POSITIVE_INFINITY;
  private static final DeepseekConfig V3 = ScaleCommand.v3();
  private static final ScaleShape SHAPE = ScaleShape.of(V3);
  private static final ExpertBalancer ON_32 = new ExpertBalancer(256, 8, 4, 32, 32);

  /** Norms and router biases are left out. */
  @ParameterizedTest
  @ValueSource(strings = {"", "v3-f32", "v2lite-f32"})
  void parametersAreTheModels(String folder) {
    DeepseekConfig config =
        folder.isEmpty() ? V3 : HfConfig.read(Path.of(CommandRun.FOLDER).resolveSibling(folder));
    double expected = Parameters.of(config).total();
    assertEquals(
        expected, ScaleShape.of(config).total(), expected * (folder.isEmpty() ? 1e-5 : 0.02));
  }

  @Test
  void withoutOtherLimitsDecodingTakesWhatMemoryTakes() {
    ScaleModel model = model(machine(NO_LIMIT, 2e12, NO_LIMIT, 0), 1, 1);
    Step step = model.decode(ON_32, 1000, 500); // 32,000 tokens touch every expert
    double weights =
        SHAPE.replicated() + (double) SHAPE.moeLayers() * 9 * SHAPE.expert() + 2 * SHAPE.head();
    double cache = 1000.0 * 500 * 576 * 61 * 2;
    assertEquals((weights + cache) / 2e12, step.all(), 1e-6 * step.all());
    assertEquals(0, step.exchange());
  }

  @Test
  void withoutOtherLimitsPrefillTakesWhatItsOperationsTake() {
    ScaleModel model = model(machine(1e15, NO_LIMIT, NO_LIMIT, 0), 1, 1);
    Step step = model.prefill(ON_32, 8192, 4096);
    double active = Parameters.of(V3).active() - 2.0 * SHAPE.head();
    double attention = 61 * 2.0 * 128 * (128 + 64 + 128) * 4097 / 2;
    double expected = (8192 * (2 * active + attention) + 2 * 2 * SHAPE.head()) / 1e15;
    assertEquals(expected, step.all(), 1e-4 * expected);
  }

  @Test
  void withoutOtherLimitsAStepTakesWhatItsLinksTake() {
    ScaleModel model = model(machine(NO_LIMIT, NO_LIMIT, 1e11, 5e-6), 1, 1);
    Step step = model.decode(new ExpertBalancer(256, 8, 1, 8, 32), 64, 100);
    double devices = 8 * (1 - Math.pow(7.0 / 8, 8)) * 7 / 8;
    double bytes = 64 * 7168 * (1 + 4.0 / 128 + 2) * devices;
    assertEquals(58 * (10e-6 + bytes / 1e11), step.all(), 1e-9);
    assertEquals("links", step.bound());
    assertEquals(0, step.compute());
  }

  @Test
  void oneDeviceExchangesNothing() {
    ScaleModel model = model(machine(1e15, 3e12, 1, 1), 1, 1);
    assertEquals(0, model.decode(new ExpertBalancer(256, 8, 1, 1, 0), 8, 100).exchange());
  }

  @Test
  void overlapHidesTheShorterOfTheTwo() {
    ScaleMachine machine = machine(1e15, 3e12, 5e10, 2e-5);
    Step apart = model(machine, 1, 0).decode(ON_32, 64, 4000);
    Step half = model(machine, 1, 0.5).decode(ON_32, 64, 4000);
    Step hidden = model(machine, 1, 1).decode(ON_32, 64, 4000);
    assertEquals(apart.compute() + apart.exchange(), apart.all(), 1e-12);
    assertEquals(Math.max(apart.compute(), apart.exchange()), hidden.all(), 1e-12);
    assertEquals((apart.all() + hidden.all()) / 2, half.all(), 1e-12);
  }

  @Test
  void everyMicroBatchReadsTheWeights() {
    ScaleMachine memory = machine(NO_LIMIT, 2e12, NO_LIMIT, 0);
    double whole = model(memory, 1, 1).decode(ON_32, 2000, 10).all();
    double cut = model(memory, 2, 1).decode(ON_32, 2000, 10).all();
    double cache = 2000.0 * 10 * 576 * 61 * 2 / 2e12;
    assertEquals(2 * (whole - cache) + cache, cut, 1e-6 * cut);
  }

  @Test
  void expertsOverMoreDevicesAreReadFaster() {
    ScaleModel model = model(machine(NO_LIMIT, 3e12, NO_LIMIT, 0), 1, 1);
    double last = NO_LIMIT;
    for (int devices : new int[] {8, 16, 32, 96, 144, 288}) {
      ExpertBalancer placement = new ExpertBalancer(256, 8, devices / 8, devices, 32);
      double now = model.decode(placement, 64, 4000).all();
      assertTrue(now < last, devices + " devices: " + now + " after " + last);
      last = now;
    }
  }

  /** Against gates that choose at random: groups first, then experts of those. */
  @ParameterizedTest
  @CsvSource({"1, 8, 32", "2, 16, 32", "4, 32, 32", "8, 64, 64", "18, 144, 32"})
  void aTokenIsSentOnceToEveryNodeAndDevice(int nodes, int devices, int redundant) {
    GateRule gate = V3.gate();
    Random random = new Random(11);
    ExpertBalancer balancer = new ExpertBalancer(256, 8, nodes, devices, redundant);
    ExpertPlacement placement = balancer.place(random.longs(256, 1, 1000).toArray());
    List<List<Integer>> holders =
        IntStream.range(0, 256)
            .mapToObj(
                e ->
                    IntStream.range(0, devices)
                        .filter(d -> placement.devices().get(d).contains(e))
                        .boxed()
                        .toList())
            .toList();
    List<Integer> groups = IntStream.range(0, 8).boxed().collect(Collectors.toList());
    int tokens = 4000;
    double network = 0;
    double all = 0;
    for (int t = 0; t < tokens; t++) {
      Collections.shuffle(groups, random);
      List<Integer> experts =
          IntStream.range(0, 256)
              .filter(e -> groups.indexOf(e / 32) < gate.groupsUsed())
              .boxed()
              .collect(Collectors.toList());
      Collections.shuffle(experts, random);
      BitSet toNodes = new BitSet();
      BitSet toDevices = new BitSet();
      for (int e : experts.subList(0, gate.used())) {
        int device = holders.get(e).get(random.nextInt(holders.get(e).size()));
        toDevices.set(device);
        toNodes.set(device / 8);
      }
      int home = random.nextInt(devices);
      toDevices.clear(home);
      toNodes.clear(home / 8);
      network += toNodes.cardinality();
      all += toDevices.cardinality();
    }
    Copies copies = ScaleModel.copies(balancer, gate);
    assertEquals(network / tokens, copies.network(), 0.06 * Math.max(1, copies.network()));
    assertEquals(all / tokens, copies.nvlink(), 0.06 * copies.nvlink());
    assertTrue(
        copies.network() <= (balancer.hierarchical() ? gate.groupsUsed() : gate.used()), "capped");
  }

  @Test
  void fewTokensTouchFewExperts() {
    assertEquals(8 / 288.0, ScaleModel.touched(ON_32, 1, 8), 1e-12);
    assertEquals(1, ScaleModel.touched(ON_32, 1e5, 8), 1e-12);
  }

  @Test
  void asManySequencesFitAsTheMemoryBesideTheWeightsHolds() {
    ScaleModel model = model(machine(1e15, 3e12, 5e10, 0), 1, 1);
    double sequence = 4000.0 * 576 * 61 * 2;
    int batch = model.largestBatch(ON_32, 4000);
    assertTrue(model.weights(ON_32) + batch * sequence <= 80e9);
    assertTrue(model.weights(ON_32) + (batch + 1) * sequence > 80e9);
    assertEquals(
        Parameters.of(V3).total() * 36.0 / 32,
        8 * model.weights(new ExpertBalancer(256, 8, 1, 8, 32)),
        0.25 * Parameters.of(V3).total(),
        "a node holds the model, its replicas and seven times what all devices hold");
    assertTrue(model.largestBatch(new ExpertBalancer(256, 8, 1, 8, 32), 4000) < 1);
  }

  private static ScaleMachine machine(double flops, double bandwidth, double link, double latency) {
    return new ScaleMachine(flops, flops, bandwidth, 80e9, link, link, latency, 8);
  }

  private static ScaleModel model(ScaleMachine machine, int microBatches, double overlap) {
    return new ScaleModel(SHAPE, machine, 1, 2, 1, microBatches, overlap);
  }
}
