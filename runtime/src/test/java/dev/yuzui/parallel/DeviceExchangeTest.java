package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wherever the experts are, what comes back is what one device would have made. */
class DeviceExchangeTest {
  private static final int HIDDEN = 8;
  private static final int WIDTH = 5;
  private static final int EXPERTS = 12;
  private static final int USED = 3;
  private static final int ROWS = 16;

  private final Random random = new Random(7);
  private final Arena arena = Arena.ofShared();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<DeviceQueue> queues = new ArrayList<>();
  private List<ExpertSource.Stored> stored;
  private List<Backend> backends = List.of();
  private Optional<DeviceGroup> group = Optional.empty();
  private Optional<Exchanges> exchanges = Optional.empty();

  /** A rank's rows, and what was chosen for them. */
  private record Batch(float[] x, int[] ids, float[] weights, int[] positions) {
    int rows() {
      return positions.length;
    }
  }

  @BeforeEach
  void makeExperts() {
    stored =
        IntStream.range(0, EXPERTS)
            .mapToObj(
                e ->
                    new ExpertSource.Stored(
                        weight("gate" + e, WIDTH, HIDDEN),
                        weight("up" + e, WIDTH, HIDDEN),
                        weight("down" + e, HIDDEN, WIDTH)))
            .toList();
  }

  @AfterEach
  void close() {
    queues.forEach(DeviceQueue::close);
    buffers.forEach(DeviceBuffer::close);
    exchanges.ifPresent(Exchanges::close);
    group.ifPresent(DeviceGroup::close);
    backends.forEach(Backend::close);
    arena.close();
  }

  private HostTensor weight(String name, int rows, int cols) {
    float[] values = normal(rows * cols);
    return HostTensor.of(
        name, Encoding.F32, rows, cols, arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
  }

  private float[] normal(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private void open(int devices) {
    backends =
        IntStream.range(0, devices)
            .mapToObj(_ -> new ReferenceProvider().open(BackendOptions.defaults()))
            .toList();
    group =
        Optional.of(
            new DeviceGroup(
                IntStream.range(0, devices)
                    .mapToObj(d -> new DeviceGroup.Member("device " + d, backends.get(d)))
                    .toList()));
    exchanges = Optional.of(new Exchanges(group.get(), ROWS, HIDDEN, USED));
    backends.forEach(b -> queues.add(b.openQueue()));
  }

  private Optional<ExpertShard> shard(int device, List<Integer> held) {
    return held.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new ExpertShard(
                held,
                new LocalExperts(
                    upload(device, held.stream().map(e -> stored.get(e).gate()).toList()),
                    upload(device, held.stream().map(e -> stored.get(e).up()).toList()),
                    upload(device, held.stream().map(e -> stored.get(e).down()).toList()),
                    Float.POSITIVE_INFINITY)));
  }

  private ExpertWeights upload(int device, List<HostTensor> experts) {
    return backends.get(device).uploadExperts("experts", experts);
  }

  private DeviceExchange placed(List<List<Integer>> held) {
    return exchanges
        .orElseThrow()
        .add(
            1,
            EXPERTS,
            IntStream.range(0, held.size()).mapToObj(d -> shard(d, held.get(d))).toList());
  }

  private Tensor tensor(int device, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backends.get(device).allocate(encoding.byteSize(rows, cols), "test");
    buffers.add(buffer);
    return new Tensor("test", buffer, 0, encoding, rows, cols);
  }

  private Tensor floats(int device, float[] values, int cols) {
    Tensor to = tensor(device, Encoding.F32, values.length / cols, cols);
    backends.get(device).write(to, arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
    return to;
  }

  private Tensor ints(int device, int[] values, int cols) {
    Tensor to = tensor(device, Encoding.I32, values.length / cols, cols);
    backends.get(device).write(to, arena.allocateFrom(ValueLayout.JAVA_INT, values));
    return to;
  }

  private float[] read(int device, Tensor from) {
    MemorySegment memory = arena.allocate(from.byteSize(), 4);
    backends.get(device).read(from, memory);
    return memory.toArray(ValueLayout.JAVA_FLOAT);
  }

  /** Each of K different experts, but where {@code only} names the one for all. */
  private Batch batch(int rows, int only) {
    float[] x = normal(rows * HIDDEN);
    int[] ids = new int[rows * USED];
    float[] weights = new float[rows * USED];
    for (int t = 0; t < rows; t++) {
      List<Integer> experts = new ArrayList<>(IntStream.range(0, EXPERTS).boxed().toList());
      Collections.shuffle(experts, random);
      for (int k = 0; k < USED; k++) {
        ids[t * USED + k] = only < 0 ? experts.get(k) : k == 0 ? only : -1;
        weights[t * USED + k] = random.nextFloat();
      }
    }
    return new Batch(x, ids, weights, random.ints(rows, 0, 1000).toArray());
  }

  private float[] expected(Batch batch, float shared) {
    float[] out = new float[batch.rows() * HIDDEN];
    Arrays.fill(out, shared);
    for (int t = 0; t < batch.rows(); t++) {
      for (int k = 0; k < USED; k++) {
        int e = batch.ids()[t * USED + k];
        if (e >= 0) {
          ExpertSource.Stored expert = stored.get(e);
          for (int f = 0; f < WIDTH; f++) {
            double g = dot(expert.gate(), f, batch.x(), t);
            double h = g / (1 + Math.exp(-g)) * dot(expert.up(), f, batch.x(), t);
            for (int i = 0; i < HIDDEN; i++) {
              out[t * HIDDEN + i] +=
                  (float) (batch.weights()[t * USED + k] * h * at(expert.down(), i * WIDTH + f));
            }
          }
        }
      }
    }
    return out;
  }

  private static double dot(HostTensor w, int row, float[] x, int t) {
    double sum = 0;
    for (int i = 0; i < HIDDEN; i++) {
      sum += (double) at(w, row * HIDDEN + i) * x[t * HIDDEN + i];
    }
    return sum;
  }

  private static float at(HostTensor w, int index) {
    return w.data().getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  /** Enqueues what each rank does, holds the meeting, and checks every rank's rows. */
  private void assertRight(
      DeviceExchange exchange, List<Integer> rankDevices, List<Batch> batches) {
    List<Arrival> arrivals = new ArrayList<>();
    List<Runnable> after = new ArrayList<>();
    for (int rank = 0; rank < batches.size(); rank++) {
      int device = rankDevices.get(rank);
      Batch batch = batches.get(rank);
      if (batch.rows() == 0) {
        continue;
      }
      DeviceQueue queue = queues.get(device);
      Tensor x = floats(device, batch.x(), HIDDEN);
      float[] threes = new float[batch.rows() * HIDDEN];
      Arrays.fill(threes, 3);
      Tensor base = floats(device, threes, HIDDEN);
      Tensor out = tensor(device, Encoding.F32, batch.rows(), HIDDEN);
      Tensor zero = floats(device, new float[batch.rows() * HIDDEN], HIDDEN);
      DeviceQueue.Recording[] beside = new DeviceQueue.Recording[1];
      Meetings meetings =
          (met, sent, shared) -> {
            beside[0] = queue.record(shared);
            arrivals.add(new Arrival(sent, batch.positions(), beside[0]::replay));
            queue.begin();
          };
      exchange
          .of(rank, device)
          .forward(
              queue.ops(),
              meetings,
              x,
              ints(device, batch.ids(), USED),
              floats(device, batch.weights(), USED),
              Optional.of(() -> queue.ops().add(base, zero, out)),
              out);
      DeviceQueue.Recording combine = queue.end();
      after.add(
          () -> {
            combine.replay();
            queue.synchronize();
            assertArrayEquals(expected(batch, 3), read(device, out), 1e-4f);
          });
    }
    exchange.meet(arrivals);
    after.forEach(Runnable::run);
  }

  private List<Batch> batches(int ranks) {
    return IntStream.range(0, ranks)
        .mapToObj(r -> r == 1 ? batch(0, -1) : batch(1 + random.nextInt(ROWS / ranks), -1))
        .toList();
  }

  private static List<Integer> inOrder(int ranks) {
    return IntStream.range(0, ranks).boxed().toList();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 8, 16})
  void rowsFindTheirExpertsOnAnyNumberOfDevices(int devices) {
    open(devices);
    DeviceExchange exchange = placed(ExpertPlacement.inOrder(EXPERTS, devices).devices());
    for (int i = 0; i < 5; i++) {
      assertRight(exchange, inOrder(devices), batches(devices));
    }
  }

  @Test
  void someDevicesHoldAttentionAloneAndSomeExpertsAlone() {
    open(3);
    DeviceExchange exchange =
        placed(List.of(List.of(), List.of(11, 3, 0, 1), List.of(2, 4, 5, 6, 7, 8, 9, 10)));
    assertRight(exchange, List.of(0), List.of(batch(9, -1)));
    assertEquals(0, exchanges.orElseThrow().expertTokens(0));
  }

  @Test
  void everyRowMayChooseOneExpert() {
    open(3);
    DeviceExchange exchange = placed(ExpertPlacement.inOrder(EXPERTS, 3).devices());
    assertRight(exchange, inOrder(3), List.of(batch(5, 11), batch(4, 11), batch(3, 11)));
    assertEquals(
        List.of(0L, 0L, 12L),
        IntStream.range(0, 3).mapToObj(exchanges.orElseThrow()::expertTokens).toList());
  }

  @Test
  void aRowThatStaysMovesNoByteAndOneThatGoesMovesOnceForAllItsExpertsThere() {
    open(2);
    DeviceExchange exchange = placed(ExpertPlacement.inOrder(EXPERTS, 2).devices());
    Batch stays = new Batch(new float[HIDDEN], new int[] {0, 1, 2}, new float[USED], new int[1]);
    assertRight(exchange, List.of(0), List.of(stays));
    assertEquals(0, group.orElseThrow().bytesOut(0));
    Batch goes = new Batch(new float[HIDDEN], new int[] {9, 10, 11}, new float[USED], new int[1]);
    assertRight(exchange, List.of(0), List.of(goes));
    assertEquals(4L * HIDDEN, group.orElseThrow().bytesOut(0));
    assertEquals(4L * HIDDEN, group.orElseThrow().bytesIn(0));
  }

  @Test
  void replicasShareRowsByTheirPositions() {
    open(3);
    List<Integer> all = IntStream.range(0, EXPERTS).boxed().toList();
    DeviceExchange exchange = placed(List.of(List.of(), all, all));
    float[] x = new float[4 * HIDDEN];
    int[] ids = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
    assertRight(
        exchange, List.of(0), List.of(new Batch(x, ids, new float[12], new int[] {4, 5, 6, 7})));
    assertEquals(6, exchanges.orElseThrow().expertTokens(1));
    assertEquals(6, exchanges.orElseThrow().expertTokens(2));
  }

  @Test
  void expertsThatMovedAreFound() {
    open(3);
    DeviceExchange exchange = placed(ExpertPlacement.inOrder(EXPERTS, 3).devices());
    List<List<Integer>> other =
        List.of(List.of(11, 1, 2, 7), List.of(4, 5, 6, 3), List.of(8, 9, 10, 0));
    assertEquals(4, exchange.move(other, (_, e, _) -> stored.get(e)));
    assertEquals(other, exchange.held());
    assertRight(exchange, inOrder(3), batches(3));
  }

  @Test
  void aSkewedLoadIsEvenedOutBetweenSteps() {
    open(4);
    DeviceExchange exchange =
        placed(
            List.of(
                List.of(0, 1, 2, 3),
                List.of(3, 4, 5, 0),
                List.of(6, 7, 8, 1),
                List.of(9, 10, 11, 2)));
    List<String> log = new ArrayList<>();
    exchanges.orElseThrow().rebalanceBy(new Rebalancer((_, e, _) -> stored.get(e), 2, log::add));
    for (int i = 0; i < 2; i++) {
      // most choose an expert that one device has alone
      assertRight(exchange, List.of(0), List.of(batch(12, 4)));
      assertRight(exchange, List.of(0), List.of(batch(4, -1)));
      exchanges.orElseThrow().rebalance();
    }
    assertEquals(1, log.size());
    assertTrue(exchange.placement().replicas()[4] > 1, "the hot expert is held more than once");
    assertRight(exchange, inOrder(4), batches(4));
  }

  @Test
  void aLostDeviceIsDoneWithoutWhereOthersHoldItsExperts() {
    open(3);
    List<Integer> all = IntStream.range(0, EXPERTS).boxed().toList();
    DeviceExchange exchange = placed(List.of(List.of(0, 1), all, List.of(2, 3, 4)));
    exchanges.orElseThrow().lose(2);
    assertRight(exchange, List.of(0), List.of(batch(8, -1)));
    assertThrows(ParallelException.class, () -> exchanges.orElseThrow().lose(1));
    assertRight(exchange, List.of(0), List.of(batch(8, -1)));
  }
}
