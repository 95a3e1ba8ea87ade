package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Copies between two backends without the host, or none. */
public abstract class PeersConformance extends Conformance {

  /** The rig's device once more, and the backend's second if it has one. */
  private List<BackendOptions> peers() {
    BackendOptions same = BackendsUnderTest.options();
    List<BackendOptions> peers = new ArrayList<>(List.of(same));
    Optional<String> second = Optional.of(provider.name() + ":1");
    try {
      if (provider.probe(second) instanceof BackendProvider.Probe.Usable) {
        peers.add(new BackendOptions(1, second, same.repack(), same.log()));
      }
    } catch (IllegalArgumentException e) {
      // one device
    }
    return peers;
  }

  private void withPeers(BiConsumer<Backend, Boolean> body) {
    for (BackendOptions options : peers()) {
      try (Backend peer = provider.open(options)) {
        body.accept(peer, reaches(peer));
      }
    }
  }

  private boolean reaches(Backend peer) {
    try (Numbers here = Numbers.of(rig.backend(), 1, 1);
        Numbers there = Numbers.of(peer, 1, 2)) {
      return rig.backend().receive(here.tensor(), peer, there.tensor());
    }
  }

  /** A row of one number throughout, with as many before and behind it. */
  private record Numbers(Backend backend, DeviceBuffer buffer, Tensor tensor)
      implements AutoCloseable {

    static Numbers of(Backend backend, int count, float value) {
      DeviceBuffer buffer = backend.allocate(12L * count, "numbers");
      Tensor all = new Tensor("all", buffer, 0, Encoding.F32, 3, count);
      write(backend, all, value);
      return new Numbers(backend, buffer, all.slice("numbers", 1, 1));
    }

    private static void write(Backend backend, Tensor to, float value) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment values = arena.allocate(to.byteSize(), 64);
        for (long i = 0; i < to.byteSize() / 4; i++) {
          values.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
        backend.write(to, values);
      }
    }

    void write(float value) {
      write(backend, tensor, value);
    }

    /** Before, of the row, behind. */
    void assertEqual(float outside, float inside) {
      int count = (int) tensor.cols();
      float[] want = new float[3 * count];
      Arrays.fill(want, outside);
      Arrays.fill(want, count, 2 * count, inside);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment values = arena.allocate(12L * count, 64);
        backend.read(new Tensor("all", buffer, 0, Encoding.F32, 3, count), values);
        assertArrayEquals(want, values.toArray(ValueLayout.JAVA_FLOAT));
      }
    }

    @Override
    public void close() {
      buffer.close();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 1000, 1 << 20})
  void theBytesArriveOrNothingChanges(int count) {
    withPeers(
        (peer, reaches) -> {
          try (Numbers here = Numbers.of(rig.backend(), count, 1);
              Numbers there = Numbers.of(peer, count, 2)) {
            assertEquals(reaches, rig.backend().receive(here.tensor(), peer, there.tensor()));
            here.assertEqual(1, reaches ? 2 : 1);
            there.assertEqual(2, 2);
          }
        });
  }

  @Test
  void opsBeforeAndAfterAgree() {
    withPeers(
        (peer, reaches) -> {
          try (Numbers here = Numbers.of(rig.backend(), 5000, 1);
              Numbers there = Numbers.of(peer, 5000, 2);
              DeviceQueue queue = peer.openQueue()) {
            Tensor x = here.tensor();
            Tensor y = there.tensor();
            for (int round = 0; round < 10; round++) {
              queue.ops().add(y, y, y);
              queue.synchronize();
              rig.backend().receive(x, peer, y);
              rig.queue().ops().add(x, x, x);
              rig.queue().synchronize();
            }
            there.assertEqual(2, 2048);
            here.assertEqual(1, reaches ? 4096 : 1024);
          }
        });
  }

  @Test
  void whatWasJustWrittenArrivesAndMayBeOverwrittenAtOnce() {
    withPeers(
        (peer, reaches) -> {
          try (Numbers here = Numbers.of(rig.backend(), 300, 1);
              Numbers there = Numbers.of(peer, 300, 2)) {
            for (int value = 3; value < 40; value++) {
              there.write(value);
              rig.backend().receive(here.tensor(), peer, there.tensor());
              there.write(-value);
              here.assertEqual(1, reaches ? value : 1);
            }
          }
        });
  }

  @Test
  void capabilitiesTellOfIt() {
    List<Boolean> reached = new ArrayList<>();
    withPeers((_, reaches) -> reached.add(reaches));
    assertEquals(
        rig.backend().capabilities().peerCopy(), reached.contains(true), reached::toString);
  }

  @Test
  void anotherSizeIsRefused() {
    withPeers(
        (peer, _) -> {
          try (Numbers here = Numbers.of(rig.backend(), 3, 1);
              Numbers there = Numbers.of(peer, 4, 2)) {
            assertThrows(
                IllegalArgumentException.class,
                () -> rig.backend().receive(here.tensor(), peer, there.tensor()));
            here.assertEqual(1, 1);
          }
        });
  }

  /** None for the reference itself: the other backends' cases ask it for their memory. */
  Stream<BackendProvider> otherKinds() {
    return Stream.<BackendProvider>of(new ReferenceProvider())
        .filter(other -> !other.name().equals(provider.name()));
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("otherKinds")
  void memoryOfAnotherKindOfDeviceIsOutOfReach(BackendProvider other) {
    try (Backend reference = other.open(BackendOptions.defaults());
        Numbers here = Numbers.of(rig.backend(), 7, 1);
        Numbers there = Numbers.of(reference, 7, 2)) {
      assertFalse(rig.backend().receive(here.tensor(), reference, there.tensor()));
      here.assertEqual(1, 1);
      assertFalse(reference.receive(there.tensor(), rig.backend(), here.tensor()));
      there.assertEqual(2, 2);
    }
  }
}
