package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.engine.plan.DeviceMemory;
import dev.yuzui.engine.plan.LimitedDevice;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MemoryPlanTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final long MUCH = 1L << 40;

  private final RuntimeOptions options =
      RuntimeOptions.of(GOLDEN.resolve("v3-f32"))
          .withBatchTokens(16)
          .withCacheEncoding(Encoding.F32);
  private Checkpoint checkpoint;

  @BeforeEach
  void open() {
    checkpoint = Checkpoints.open(options.model());
  }

  @AfterEach
  void close() {
    checkpoint.close();
  }

  private MemoryPlan plan(long free, RuntimeOptions options) {
    return plan(new LimitedDevice(free, free), options);
  }

  private MemoryPlan plan(BackendProvider device, RuntimeOptions options) {
    return MemoryPlan.of(checkpoint, List.of(Device.of(device)), options);
  }

  @Test
  void theDeviceSaysHowManyBytesItsWeightsTake() {
    // halves of kv_b are made at load, and take what the whole does
    assertEquals(checkpoint.byteSize(), plan(MUCH, options).deviceWeightBytes());
    BackendProvider padding =
        new LimitedDevice(MUCH, MUCH) {
          @Override
          public long weightBytes(
              Encoding encoding, long rows, long cols, int count, boolean repack) {
            return count * 256L * 1024;
          }
        };
    long matrices = checkpoint.weights().stream().mapToLong(Checkpoint.Weight::count).sum();
    assertEquals(matrices * 256 * 1024, plan(padding, options).deviceWeightBytes());
  }

  @Test
  void everyTensorOfACheckpointIsAWeight() {
    for (String name : List.of("gguf-v3-f32", "gguf-v3-q8", "gguf-v2lite-bf16", "v2-f32")) {
      try (Checkpoint c = Checkpoints.open(path(name))) {
        assertEquals(c.byteSize(), bytes(c), name);
      }
    }
    try (Checkpoint c = Checkpoints.open(path("gguf-v3-f16-old"))) {
      assertTrue(c.derivedBytes() > 0);
      assertEquals(c.byteSize(), bytes(c), "F16 halves for an F16 whole");
    }
  }

  private static Path path(String name) {
    return GOLDEN.resolve(name.startsWith("gguf") ? name + "/model.gguf" : name);
  }

  private static long bytes(Checkpoint c) {
    LimitedDevice device = new LimitedDevice(MUCH, MUCH);
    return c.weights().stream()
        .mapToLong(w -> device.weightBytes(w.encoding(), w.rows(), w.cols(), w.count(), true))
        .sum();
  }

  /** Those of 64 rows are there in any case. */
  @Test
  void moreThan64SequencesTakeLogitsOfTheirOwn() {
    RuntimeOptions fixed = options.withContextLength(64).withCachePages(1).withBatchTokens(512);
    long one = plan(MUCH, fixed).scratchBytes();
    assertEquals(one, plan(MUCH, fixed.withMaxSequences(64)).scratchBytes());
    long row = plan(MUCH, fixed.withMaxSequences(65)).scratchBytes() - one;
    assertTrue(row >= 4L * checkpoint.config().vocabSize(), row + " bytes");
    assertEquals(one + 36 * row, plan(MUCH, fixed.withMaxSequences(100)).scratchBytes());
    assertEquals(
        one + (512 - 64) * row,
        plan(MUCH, fixed.withMaxSequences(9999)).scratchBytes(),
        "no more than a step has tokens");
  }

  @Test
  void fitTakesTheMostPagesThatFitWithSomethingToSpare() {
    MemoryPlan one = plan(MUCH, options.withContextLength(64));
    MemoryPlan two = plan(MUCH, options.withContextLength(128));
    long page = two.totalBytes() - one.totalBytes();
    for (int pages : new int[] {1, 2, 7, 30}) {
      long needed = one.totalBytes() + (pages - 1) * page;
      long free = Math.ceilDiv(needed * 16, 15L) + 16;
      MemoryPlan fit = plan(free, options.withFit());
      assertEquals(64 * pages, fit.contextLength());
      assertEquals(needed, fit.totalBytes());
      assertEquals(64 * pages - 64, plan(free - page, options).largestContext());
      assertTrue(fit.fits());
      assertEquals(50, plan(free, options.withFit().withContextLength(50)).contextLength());
    }
    assertEquals(2560, plan(MUCH, options.withFit()).contextLength(), "the model's own");
  }

  @Test
  void weightsInAMappedFileAreNotCountedButLeftRoom() {
    BackendProvider mapping =
        new LimitedDevice(1_200_000, MUCH) {
          @Override
          public long weightBytes(
              Encoding encoding, long rows, long cols, int count, boolean repack) {
            return 0;
          }
        };
    MemoryPlan plan = plan(mapping, options.withContextLength(64));
    assertTrue(plan.fits() && plan.mapped());
    assertTrue(plan.weightBytes() > plan.availableBytes());
    assertTrue(
        plan.scratchBytes() > plan(MUCH, options.withContextLength(64)).scratchBytes(),
        "halves of kv_b made at load are in the memory that is counted");
    MemoryPlan fit = plan(mapping, options.withFit());
    long room = 1_200_000 - 1_200_000 / 16 - (fit.totalBytes() - fit.cacheBytes());
    assertTrue(fit.cacheBytes() > 0 && fit.cacheBytes() <= room / 2 + room / 8, "" + fit);
  }

  @Test
  void adviceIsWhatHelps() {
    long weights = checkpoint.byteSize();
    RuntimeOptions whole = options.withContextLength(2560);
    MemoryPlan needs = plan(MUCH, whole);
    assertEquals(List.of(), needs.advice());

    MemoryPlan little = plan(needs.totalBytes() - 1, whole);
    assertEquals(1, little.missingBytes());
    assertEquals(
        List.of(
            "RuntimeOptions.contextLength "
                + little.largestContext()
                + " or less (RuntimeOptions.fit takes the most that fits)",
            "KvCacheOptions.encoding fp8"),
        little.advice());
    MemoryPlan less = plan(needs.totalBytes() - needs.cacheBytes() * 4 / 5, whole);
    assertTrue(less.largestContext() > 0);
    assertEquals(1, less.advice().size(), "a quarter of the cache is still too much");

    MemoryPlan weighty = plan(weights, whole);
    assertEquals(0, weighty.largestContext());
    assertTrue(weighty.advice().getFirst().startsWith("a smaller quantisation, of "));
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeTheDeviceIsOpened() {
    LimitedDevice device = new LimitedDevice(checkpoint.byteSize(), MUCH);
    var e =
        assertThrows(
            EngineException.class,
            () ->
                Engine.open(checkpoint, List.of(Device.of(device)), options, LoadProgress.none()));
    assertTrue(e.getMessage().contains("does not fit on limited: 1.4 MiB of weights"));
    assertTrue(e.getMessage().contains("a smaller quantisation"), e.getMessage());
    assertEquals(0, device.opened);
  }

  @Test
  void aDeviceThatRunsOutWhileLoadingSaysSoAndIsClosed() {
    long enough = plan(MUCH, options).totalBytes();
    assertTrue(opens(enough), "the plan is an upper bound");
    int failures = 0;
    for (int i = 0; i < 20; i++) {
      failures += opens(enough * i / 20) ? 0 : 1;
    }
    assertTrue(failures > 15, failures + " of 20");
  }

  static List<Distribution> distributions() {
    Distribution parallel = Distribution.ANY.withExpertParallel();
    return List.of(
        parallel,
        parallel.withRedundantExperts(3),
        Distribution.ANY.withSplit(Distribution.Split.EXPERT),
        Distribution.LAYERS,
        Distribution.ANY.withExpertBudget(200_000));
  }

  @ParameterizedTest
  @MethodSource("distributions")
  void ofSeveralDevicesNoneTakesMoreThanItsPart(Distribution how) {
    RuntimeOptions laid = options.withDistribution(how).withMaxSequences(4);
    List<LimitedDevice> limited = List.of(new Numbered(0), new Numbered(1)); // a budget is for two
    List<Device> devices = limited.stream().map(Device::of).toList();
    try (Engine engine =
        Engine.open(Checkpoints.open(laid.model()), devices, laid, LoadProgress.none())) {
      List<DeviceMemory> planned = engine.memoryPlan().devices();
      for (int d = 0; d < planned.size(); d++) {
        DeviceMemory memory = planned.get(d);
        long held = limited.get(d).held;
        assertTrue(held <= memory.totalBytes(), held + " of " + memory);
        assertTrue(held >= memory.weightBytes() + memory.cacheBytes(), held + " of " + memory);
        assertTrue(memory.weightBytes() > 0 && memory.weightBytes() < checkpoint.byteSize());
      }
    }
  }

  /** A device with memory of its own. */
  private static final class Numbered extends LimitedDevice {
    private final int number;

    Numbered(int number) {
      super(MUCH, MUCH);
      this.number = number;
    }

    @Override
    public String name() {
      return super.name() + number;
    }
  }

  private boolean opens(long holds) {
    LimitedDevice device = new LimitedDevice(MUCH, holds);
    Checkpoint own = Checkpoints.open(options.model());
    boolean opened = false;
    try (Engine _ = Engine.open(own, List.of(Device.of(device)), options, LoadProgress.none())) {
      opened = true;
    } catch (BackendException e) {
      assertTrue(e.getMessage().startsWith("no room for "), e.getMessage());
      own.close();
    }
    assertEquals(1, device.closed, "with room for " + holds);
    return opened;
  }

  @Test
  void aPoolOfPagesIsAsLargeAsItIsAskedToBe() {
    RuntimeOptions many = options.withContextLength(256).withMaxSequences(8);
    MemoryPlan full = plan(MUCH, many);
    assertEquals(8 * 4, full.cachePages(), "by default all sequences can fill their context");
    MemoryPlan ten = plan(MUCH, many.withCachePages(10));
    assertEquals(10, ten.cachePages());
    assertEquals(10 * 64 * ten.cacheBytesPerToken(), ten.cacheBytes());
    assertEquals(full.cacheBytes() - ten.cacheBytes(), full.totalBytes() - ten.totalBytes());
    assertEquals(256, ten.contextLength());
  }

  @Test
  void aContextLargerThanThePoolIsRefusedOrLoweredToIt() {
    RuntimeOptions ten = options.withMaxSequences(8).withCachePages(10);
    assertEquals(640, plan(MUCH, ten).contextLength());
    assertEquals(640, plan(MUCH, ten.withFit()).contextLength());
    assertEquals(
        "RuntimeOptions.contextLength: expected at most the 640 tokens that KvCacheOptions.pages 10 holds, found 641; lower the one or"
            + " raise the other",
        assertThrows(EngineException.class, () -> plan(MUCH, ten.withContextLength(641)))
            .getMessage());
  }

  @Test
  void aPoolThatDoesNotFitIsToBeMadeSmaller() {
    RuntimeOptions ten = options.withContextLength(64).withCachePages(10);
    MemoryPlan needs = plan(MUCH, ten);
    MemoryPlan less = plan(needs.totalBytes() - 1, ten);
    assertTrue(less.complaint().contains("a smaller KvCacheOptions.pages"), less.complaint());
  }
}
