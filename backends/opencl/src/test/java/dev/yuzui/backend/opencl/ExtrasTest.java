package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is made of sub-groups and integer dot products, or of drivers that only claim them. */
class ExtrasTest {
  private static final Extras EMULATED = new Extras(8, true, true, true);
  private static final Extras CLAIMED = new Extras(8, true, true, false);
  private static final int COLS = 256;

  private final List<String> log = new ArrayList<>();
  private DeviceFacts device;

  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new OpenClProvider());
  }

  @BeforeEach
  void firstDevice() {
    device = DeviceTest.noProcessor(Driver.devices().getFirst());
  }

  private boolean said(String part) {
    return log.stream().anyMatch(line -> line.contains(part));
  }

  @Test
  void processorsDoWithout() {
    DeviceFacts own = Driver.devices().getFirst();
    Assumptions.assumeTrue(own.cpu(), "the first device is no processor");
    assertEquals(Extras.NONE, Extras.of(own));
    Extras.of(own).tell(own, log::add);
    assertTrue(said("not by sub-groups"), log::toString);
    assertTrue(said("not by integer dot products"), log::toString);
    assertTrue(said("not as halves"), log::toString);
  }

  @Test
  void whatIsUsedIsSaidAndListed() {
    EMULATED.tell(device, log::add);
    assertTrue(said("by sub-groups of 8"), log::toString);
    assertTrue(said("by integer dot products"), log::toString);
    assertTrue(said("as halves by quantised weights"), log::toString);
    assertEquals(
        List.of("cl_khr_subgroups", "cl_khr_integer_dot_product", "cl_khr_fp16"),
        EMULATED.extensions());
    assertEquals("", Extras.NONE.options(device));
  }

  @Test
  void whatADriverDoesNotCompileIsSaidAndDoneWithout() {
    Assumptions.assumeTrue(Extras.of(device).equals(Extras.NONE), "the device has built-ins");
    try (Cl cl = Cl.open(device);
        Programs programs =
            new Programs(cl, CLAIMED, new ProgramCache(Optional.empty(), log::add), log::add)) {
      programs.kernel("sampling", "top_k_part");
      assertTrue(said("does not compile sampling.cl"), log::toString);
      assertTrue(said("compiled plainly"), log::toString);
      assertFalse(programs.builds("matvec", "WEIGHTS=q8_0", "DOT=1"));
      assertFalse(programs.builds("gemm", "WEIGHTS=f16", "HALVES=1"));
      int lines = log.size();
      assertFalse(programs.builds("matvec", "WEIGHTS=q8_0", "DOT=1"));
      assertEquals(lines, log.size(), log::toString);
      assertTrue(log.getLast().contains("done without"), log::toString);
    }
  }

  /** 1 beside numbers of a thousandth, which eight bits for both cannot tell from 0. */
  @Test
  void fewRowsOfQuantisedWeightsAreRoundedBlockByBlock() {
    float[] x = new float[COLS];
    Arrays.fill(x, 1e-3f);
    x[0] = 1;
    assertEquals(1 + 224e-3, sum(EMULATED, x), 1e-4);
    assertEquals(1 + 255e-3, sum(Extras.NONE, x), 1e-4);
    x[40] = Float.NaN;
    assertEquals(Float.NaN, sum(EMULATED, x));
  }

  /** Of x with weights of Q8_0 that are all 1. */
  private float sum(Extras extras, float[] x) {
    Encoding q8 = new Encoding.Q8_0();
    try (Arena arena = Arena.ofShared();
        OpenClBackend backend =
            new OpenClBackend(Cl.open(device), extras, BackendOptions.defaults());
        DeviceBuffer buffer = backend.allocate(4 * COLS + 16, "rows");
        DeviceQueue queue = backend.openQueue()) {
      MemorySegment blocks = arena.allocate(q8.byteSize(1, COLS), 64);
      blocks.fill((byte) 1);
      for (int b = 0; b < COLS / 32; b++) {
        blocks.set(ValueLayout.JAVA_SHORT_UNALIGNED, 34L * b, Float.floatToFloat16(1));
      }
      Tensor w = backend.upload(HostTensor.of("ones", q8, 1, COLS, blocks));
      Tensor row = new Tensor("x", buffer, 0, Encoding.F32, 1, COLS);
      Tensor out = new Tensor("out", buffer, 4L * COLS, Encoding.F32, 1, 1);
      backend.write(row, arena.allocateFrom(ValueLayout.JAVA_FLOAT, x));
      queue.ops().matmul(row, w, out);
      queue.synchronize();
      MemorySegment result = arena.allocate(4, 4);
      backend.read(out, result);
      return result.get(ValueLayout.JAVA_FLOAT, 0);
    }
  }
}
