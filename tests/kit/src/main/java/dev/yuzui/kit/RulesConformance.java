package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for every op, queue and buffer, and what a backend says about itself. */
public abstract class RulesConformance extends Conformance {

  // ---- capabilities -----------------------------------------------------------------------------

  @Test
  void supports() {
    Capabilities can = rig.backend().capabilities();
    String weights =
        Encoding.all().stream()
            .map(
                e -> {
                  Encoding kept = rig.backend().upload(rig.weight(e, 2, 256, 1)).encoding();
                  assertEquals(
                      can.weights().contains(e),
                      kept.equals(e),
                      () -> e.label() + " is multiplied as " + kept.label());
                  return kept.equals(e) ? e.label() : e.label() + "→" + kept.label();
                })
            .collect(Collectors.joining(" "));
    String caches =
        can.caches().stream().map(Encoding::label).sorted().collect(Collectors.joining(" "));
    System.out.printf(
        "%s%n  weights: %s%n  caches: %s%n  steps: exact to %d, then multiples of %d, at most %d%n  recording: %s, peer copy: %s%n",
        rig.backend().description(),
        weights,
        caches,
        can.exactTokens(),
        can.tokenBucket(),
        can.maxTokens(),
        can.recording(),
        can.peerCopy());
    assertTrue(can.caches().contains(Encoding.F32), "every backend keeps a cache in F32");
  }

  static List<Encoding> everyCache() {
    return Encoding.caches();
  }

  /** Skips what the backend says it lacks; the other suites have no cases of it. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("everyCache")
  void keepsCachesIn(Encoding encoding) {
    Assumptions.assumeTrue(
        caches().contains(encoding),
        () -> provider.name() + " keeps no cache in " + encoding.label());
  }

  @Test
  void aProbeNamesTheDevice() {
    assertTrue(
        provider.probe() instanceof Probe.Usable(String device, long bytes)
            && !device.isBlank()
            && bytes > 0);
    assertEquals(provider.name(), rig.backend().name());
  }

  @Test
  void aBucketHoldsItsTokens() {
    Capabilities can = rig.backend().capabilities();
    int before = 0;
    for (int tokens = 1; tokens <= can.maxTokens(); tokens++) {
      int bucket = can.bucket(tokens);
      assertTrue(bucket >= tokens && bucket <= can.maxTokens(), tokens + " tokens in " + bucket);
      assertTrue(bucket >= before, "buckets grow with the step");
      assertEquals(bucket, can.bucket(bucket), "a bucket is its own bucket");
      assertTrue(tokens > can.exactTokens() || bucket == tokens, "small steps are exact");
      before = bucket;
    }
  }

  // ---- queues -----------------------------------------------------------------------------------

  @Test
  void hostTasksRunInOrderAndBeforeSynchronizeReturns() {
    List<Integer> order = new ArrayList<>();
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          for (int i = 0; i < 5; i++) {
            int task = i;
            rig.queue().hostTask(() -> order.add(task));
            rig.queue().ops().add(x, x, x);
          }
          rig.queue().synchronize();
          assertEquals(List.of(0, 1, 2, 3, 4), List.copyOf(order));
          assertEquals(32f, one.value(), "five doublings of 1");
        });
  }

  @Test
  void aQueueMayMoveToAnotherThread() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          try (DeviceQueue queue = rig.backend().openQueue();
              DeviceQueue.Recording recording = queue.record(() -> queue.ops().add(x, x, x))) {
            CompletableFuture.runAsync(
                    () -> {
                      try (Scratch.Frame _ = queue.ops().scratch().frame()) {
                        Tensor y = queue.ops().scratch().f32("y", 1, 1);
                        recording.replay();
                        queue.ops().add(x, x, y);
                        queue.ops().add(y, x, x);
                        queue.synchronize();
                      }
                    },
                    task -> Thread.ofPlatform().start(task))
                .join();
          }
          assertEquals(6f, one.value(), "2 + 2 + 2");
        });
  }

  @Test
  void synchronizeRethrowsWhatATaskThrew() {
    try (DeviceQueue queue = rig.backend().openQueue()) {
      queue.hostTask(
          () -> {
            throw new IllegalStateException("the socket is gone");
          });
      RuntimeException e = assertThrows(RuntimeException.class, queue::synchronize);
      boolean told = false;
      for (Throwable t = e; t != null; t = t.getCause()) {
        told |= String.valueOf(t.getMessage()).contains("the socket is gone");
      }
      assertTrue(told, () -> "the reason is lost: " + e);
    }
  }

  @Test
  void queuesHaveScratchOfTheirOwn() {
    try (DeviceQueue other = rig.backend().openQueue();
        Scratch.Frame _ = rig.queue().ops().scratch().frame();
        Scratch.Frame _ = other.ops().scratch().frame()) {
      Tensor a = rig.queue().ops().scratch().f32("a", 3, 5);
      Tensor b = other.ops().scratch().f32("b", 3, 5);
      assertTrue(!a.buffer().equals(b.buffer()) || apart(a, b), "two queues share scratch");
    }
  }

  // ---- scratch ----------------------------------------------------------------------------------

  @Test
  void scratchGivesTheSameAddressesForTheSameCalls() {
    Scratch scratch = rig.queue().ops().scratch();
    List<Tensor> first = step(scratch);
    // what else grows the scratch in between must not move it
    try (Scratch.Frame _ = scratch.frame()) {
      scratch.f32("large", 1000, 3000);
    }
    assertEquals(first, step(scratch));
  }

  private static List<Tensor> step(Scratch scratch) {
    List<Tensor> given = new ArrayList<>();
    try (Scratch.Frame _ = scratch.frame()) {
      given.add(scratch.f32("a", 7, 13));
      given.add(scratch.i32("b", 1, 1));
      try (Scratch.Frame _ = scratch.frame()) {
        given.add(scratch.f32("c", 300, 1001));
        given.add(scratch.f32("d", 1, 3));
        for (int i = 0; i < given.size(); i++) {
          for (int j = 0; j < i; j++) {
            assertTrue(
                !given.get(i).buffer().equals(given.get(j).buffer())
                    || apart(given.get(i), given.get(j)),
                "scratch tensors overlap");
          }
        }
      }
      given.add(scratch.f32("e", 300, 1001));
    }
    return given;
  }

  private static boolean apart(Tensor a, Tensor b) {
    return a.byteOffset() + a.byteSize() <= b.byteOffset()
        || b.byteOffset() + b.byteSize() <= a.byteOffset();
  }

  // ---- memory -----------------------------------------------------------------------------------

  @Test
  void whatIsWrittenIsRead() {
    try (DeviceBuffer buffer = rig.backend().allocate(1000, "round trip");
        Arena arena = Arena.ofConfined()) {
      assertTrue(buffer.byteSize() >= 1000);
      Tensor whole = new Tensor("whole", buffer, 0, Encoding.F32, 10, 25);
      MemorySegment out = arena.allocate(1000, 4);
      for (int i = 0; i < 250; i++) {
        out.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
      }
      rig.backend().write(whole, out);
      MemorySegment in = arena.allocate(300, 4);
      rig.backend().read(whole.slice("part", 4, 3), in);
      for (int i = 0; i < 75; i++) {
        assertEquals(100f + i, in.getAtIndex(ValueLayout.JAVA_FLOAT, i));
      }
    }
  }

  @Test
  void aCopyOfAnotherSizeIsRefused() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          MemorySegment tooLarge = rig.arena().allocate(8);
          assertThrows(IllegalArgumentException.class, () -> rig.backend().write(x, tooLarge));
          assertThrows(IllegalArgumentException.class, () -> rig.backend().read(x, tooLarge));
          MemorySegment half = rig.arena().allocate(2);
          assertThrows(IllegalArgumentException.class, () -> rig.backend().fill(x, half));
        });
  }

  @Test
  void aBufferIsClosedOnce() {
    DeviceBuffer buffer = rig.backend().allocate(64, "closed twice");
    buffer.close();
    BackendException e = assertThrows(BackendException.class, buffer::close);
    assertTrue(e.getMessage().contains("closed twice"), e::getMessage);
  }

  @Test
  void aQueueIsClosedOnceAndThenRefusesWork() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          DeviceQueue queue = rig.backend().openQueue();
          Ops ops = queue.ops();
          DeviceQueue.Recording recording = queue.record(() -> ops.add(x, x, x));
          queue.close();
          assertThrows(BackendException.class, queue::close);
          assertThrows(BackendException.class, queue::synchronize);
          assertThrows(BackendException.class, () -> queue.hostTask(() -> {}));
          assertThrows(BackendException.class, () -> ops.add(x, x, x));
          assertThrows(BackendException.class, recording::replay);
          recording.close();
          assertEquals(1f, one.value());
        });
  }

  @Test
  void aBackendNamesWhatItsCloseFoundOpen() {
    Backend other = provider.open(BackendOptions.defaults());
    DeviceBuffer buffer = other.allocate(64, "the forgotten one");
    DeviceQueue queue = other.openQueue();
    BackendException e = assertThrows(BackendException.class, other::close);
    assertTrue(e.getMessage().contains("the forgotten one"), e::getMessage);
    assertTrue(e.getMessage().contains("queue"), e::getMessage);
    buffer.close();
    queue.close();
    other.close();
    assertThrows(BackendException.class, () -> other.allocate(64, "too late"));
    assertThrows(BackendException.class, other::close);
  }

  @Test
  void aBackendOpensWithOneThread() {
    Backend other = provider.open(BackendOptions.defaults().withThreads(1));
    try (DeviceQueue queue = other.openQueue();
        DeviceBuffer buffer = other.allocate(4, "one number");
        Arena arena = Arena.ofConfined()) {
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, 1);
      MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1.5f);
      other.write(x, one);
      queue.ops().add(x, x, x);
      queue.synchronize();
      other.read(x, one);
      assertEquals(3f, one.get(ValueLayout.JAVA_FLOAT, 0));
    }
    other.close();
  }
}
