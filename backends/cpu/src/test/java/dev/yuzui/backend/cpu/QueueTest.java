package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(600)
class QueueTest {
  private static final int COLS = 512;

  private final Arena arena = Arena.ofShared();
  private final BackendOptions options = BackendOptions.defaults().withThreads(3);
  private Backend backend = new CpuProvider().open(options);
  private DeviceQueue queue = backend.openQueue();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final Random random = new Random(3);

  @AfterEach
  void close() {
    queue.close();
    buffers.forEach(DeviceBuffer::close);
    backend.close();
    arena.close();
  }

  private Tensor tensor(Encoding encoding, int rows, int cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), "test");
    buffers.add(buffer);
    return new Tensor("test", buffer, 0, encoding, rows, cols);
  }

  private Tensor normal(int rows, int cols) {
    Tensor t = tensor(Encoding.F32, rows, cols);
    backend.write(t, Native.floats(arena, Native.normal(random, rows * cols)));
    return t;
  }

  private Tensor weight(Encoding encoding, int rows, int cols) {
    return backend.upload(Native.weight(arena, random, encoding, rows, cols));
  }

  private float[] read(Tensor t) {
    MemorySegment out = arena.allocate(t.byteSize(), 64);
    backend.read(t, out);
    return Native.floats(out);
  }

  @Test
  void replayAllocatesNothingOnceWarm() {
    requireNoAllocation();
  }

  /** All encodings by the Vector API: half a minute until the compiler is through with them. */
  @Test
  @Tag("long")
  void replayWithoutRepackingAllocatesNothingOnceWarm() {
    queue.close();
    backend.close();
    backend = new CpuProvider().open(options.withRepack(false));
    queue = backend.openQueue();
    requireNoAllocation();
  }

  /**
   * Every encoding in one recording: kernels that the compiler inlines together and then boxes show
   * here as allocation.
   */
  private void requireNoAllocation() {
    Ops ops = queue.ops();
    List<Runnable> products = new ArrayList<>();
    for (int tokens : new int[] {1, 5}) {
      Tensor x = normal(tokens, COLS);
      for (Encoding encoding : Encoding.all()) {
        Tensor w = weight(encoding, 96, COLS);
        Tensor out = tensor(Encoding.F32, tokens, 96);
        products.add(() -> ops.matmul(x, w, out));
      }
    }
    products.add(layer(1));
    products.add(layer(20));
    try (var recording = queue.record(() -> products.forEach(Runnable::run))) {
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      long[] team =
          Thread.getAllStackTraces().keySet().stream()
              .filter(t -> t.getName().startsWith("yuzui-cpu") || t == Thread.currentThread())
              .mapToLong(Thread::threadId)
              .toArray();
      assertEquals(3, team.length);
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 60 && least > 0; round++) {
        long before = allocated(threads, team);
        for (int i = 0; i < 200; i++) {
          recording.replay();
        }
        least = Math.min(least, allocated(threads, team) - before);
      }
      queue.synchronize();
      assertTrue(least < 4096, "200 replays allocated " + least + " bytes");
    }
  }

  /** Attention in both forms, and experts, of a small model over {@code tokens} new tokens. */
  private Runnable layer(int tokens) {
    MlaShape shape = new MlaShape(4, 32, 16, 32, 64, 0.1f);
    GateRule rule =
        new GateRule(GateRule.Scoring.SIGMOID, 8, 2, 4, 2, GateRule.GroupScore.TOP2_SUM, true, 1);
    int[] position = IntStream.range(0, tokens).toArray();
    StepBatch batch =
        new StepBatch(
            ints(1, position),
            ints(1, position),
            ints(1, new int[tokens]),
            ints(1, Arrays.stream(position).map(p -> p + 1).toArray()),
            ints(1, 0, 1, 2, 3),
            ints(1, 0));
    KvCache latents = new KvCache(tensor(Encoding.F16, 64, shape.entry()), 16);
    Tensor kv = normal(tokens, shape.entry());
    Tensor norm = normal(1, shape.kvLora());
    Tensor table = normal(64, shape.rope());
    Tensor q = normal(tokens, shape.heads() * shape.query());
    Tensor keyUp = normal(shape.heads() * shape.kvLora(), shape.nope());
    Tensor valueUp = normal(shape.heads() * shape.value(), shape.kvLora());
    Tensor out = tensor(Encoding.F32, tokens, shape.heads() * shape.value());
    Tensor logits = normal(tokens, 8);
    Tensor ids = tensor(Encoding.I32, tokens, 2);
    Tensor weights = tensor(Encoding.F32, tokens, 2);
    Dispatch dispatch =
        new Dispatch(
            tensor(Encoding.I32, 1, 9),
            tensor(Encoding.I32, 1, tokens * 2),
            tensor(Encoding.I32, 1, tokens * 2),
            2);
    ExpertWeights up = experts(96, 128);
    ExpertWeights down = experts(128, 96);
    Tensor y = tensor(Encoding.F32, tokens * 2, 128);
    Tensor moe = tensor(Encoding.F32, tokens, 128);
    Ops ops = queue.ops();
    return () -> {
      ops.rope(q, shape.nope(), shape.heads(), table, batch, q, shape.nope());
      ops.appendLatent(kv, norm, 1e-6f, table, latents, batch);
      ops.mlaPrefill(q, latents, keyUp, valueUp, shape, batch, out);
      ops.mlaAbsorbed(q, latents, keyUp, valueUp, shape, batch, out);
      ops.route(logits, Optional.empty(), rule, batch, ids, weights);
      ops.permute(ids, dispatch);
      ops.expertFfn(out, up, up, down, dispatch, y);
      ops.combine(y, dispatch, weights, Optional.empty(), moe);
    };
  }

  private ExpertWeights experts(int rows, int cols) {
    return backend.uploadExperts(
        "experts",
        IntStream.range(0, 8)
            .mapToObj(i -> Native.weight(arena, random, new Encoding.Q8_0(), rows, cols))
            .toList());
  }

  private Tensor ints(int rows, int... values) {
    Tensor t = tensor(Encoding.I32, rows, values.length / rows);
    backend.write(t, arena.allocateFrom(ValueLayout.JAVA_INT, values));
    return t;
  }

  private static long allocated(ThreadMXBean threads, long[] ids) {
    return Arrays.stream(threads.getThreadAllocatedBytes(ids)).sum();
  }

  @Test
  void aFailingOpSurfacesAtSynchronizeAndNotBefore() {
    Tensor table = normal(4, COLS);
    Tensor ids = tensor(Encoding.I32, 1, 1);
    Tensor out = tensor(Encoding.F32, 1, COLS);
    backend.write(ids, arena.allocateFrom(ValueLayout.JAVA_INT, 9));
    queue.ops().embed(table, ids, out);
    BackendException e = assertThrows(BackendException.class, queue::synchronize);
    assertTrue(e.getMessage().contains("looks up row 9"), e.getMessage());
    backend.write(ids, arena.allocateFrom(ValueLayout.JAVA_INT, 2));
    queue.ops().embed(table, ids, out);
    queue.synchronize();
    assertArrayEquals(Arrays.copyOfRange(read(table), 2 * COLS, 3 * COLS), read(out));
  }

  @Test
  void hostTasksRunInOrderAndTheirFailuresSurface() {
    List<String> order = new ArrayList<>();
    Tensor a = normal(1, COLS);
    Tensor out = tensor(Encoding.F32, 1, COLS);
    try (var recording =
        queue.record(
            () -> {
              queue.hostTask(() -> order.add("first"));
              queue.ops().add(a, a, out);
              queue.hostTask(() -> order.add("sum " + (read(out)[0] == 2 * read(a)[0])));
            })) {
      assertEquals(List.of(), order);
      recording.replay();
      queue.synchronize();
    }
    assertEquals(List.of("first", "sum true"), order);
    queue.hostTask(
        () -> {
          throw new IllegalStateException("no socket");
        });
    assertThrows(IllegalStateException.class, queue::synchronize);
  }

  @Test
  void scratchGivesTheSameAddressesForTheSameCalls() {
    var scratch = queue.ops().scratch();
    List<String> first = new ArrayList<>();
    List<String> second = new ArrayList<>();
    for (List<String> addresses : List.of(first, second)) {
      try (var frame = scratch.frame()) {
        for (int rows : new int[] {1, 3000, 2, 9000, 5}) {
          Tensor t = scratch.f32("t", rows, COLS);
          addresses.add(Long.toHexString(HostBuffer.address(t)));
        }
      }
      try (var frame = scratch.frame()) {
        scratch.f32("larger than any chunk", 20_000, COLS);
      }
    }
    assertEquals(first, second);
  }

  @Test
  void closingWithABufferOpenNamesIt() {
    Backend other = new CpuProvider().open(BackendOptions.defaults().withThreads(1));
    DeviceBuffer left = other.allocate(64, "KV cache");
    BackendException e = assertThrows(BackendException.class, other::close);
    assertTrue(e.getMessage().contains("KV cache"), e.getMessage());
    left.close();
    other.close();
  }
}
