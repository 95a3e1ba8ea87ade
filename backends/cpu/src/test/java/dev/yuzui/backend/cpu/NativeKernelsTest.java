package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Packing and products of every type on every instruction set that the processor has. */
class NativeKernelsTest {
  private static final int VECTORS = 21;

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(5);
  private final NativeKernels kernels = kernels();
  private final String best = kernels.instructions();

  private static NativeKernels kernels() {
    return NativeKernels.find(_ -> {}).orElseThrow();
  }

  @BeforeAll
  static void areBuilt() {
    assumeTrue(NativeKernels.find(_ -> {}).isPresent(), "no native kernels");
  }

  /** Those of this processor; AvailabilityTest skips the others by name. */
  static List<String> instructions() {
    NativeKernels kernels = kernels();
    String best = kernels.instructions();
    List<String> there = NativeKernels.INSTRUCTIONS.stream().filter(kernels::use).toList();
    kernels.use(best);
    return there;
  }

  @AfterEach
  void close() {
    kernels.use(best);
    arena.close();
  }

  static Stream<Encoding> encodings() {
    return Encoding.all().stream().filter(e -> StripType.of(e).isPresent());
  }

  static Stream<Arguments> cases() {
    return instructions().stream().flatMap(i -> encodings().map(e -> Arguments.of(i, e)));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void multipliesLikeTheDequantizer(String instructions, Encoding encoding) {
    kernels.use(instructions);
    for (int cols : StripProducts.columns(encoding)) {
      for (int rows : List.of(1, 16, 150)) {
        HostTensor w = Native.weight(arena, random, encoding, rows, cols);
        float[] x = Native.normal(random, VECTORS * cols);
        float[] got = multiply(w, x);
        for (int r = 0; r < rows; r++) {
          for (int t = 0; t < VECTORS; t++) {
            double[] want = Native.dot(w, r, x, t * cols);
            assertEquals(
                want[0],
                got[t * rows + r],
                StripProducts.tolerance(w, r, x, t * cols, want[1]),
                w + " row " + r + " vector " + t);
          }
        }
      }
    }
  }

  /** A loop over rows a, b and out. */
  private interface Loop {
    void run(RowKernels kernels, long a, long b, long out, int count);
  }

  @ParameterizedTest
  @MethodSource("instructions")
  void rowsAreThoseOfThePlainLoops(String instructions) {
    kernels.use(instructions);
    agree(1e-6, (k, a, b, out, n) -> k.rmsNorm(a, b, 1e-6f, n, out));
    agree(1e-6, (k, a, b, out, n) -> k.siluMul(a, b, out, n));
    agree(1e-6, (k, a, b, out, n) -> k.siluMul(a, b, a, n));
    agree(1e-7, (k, a, b, out, n) -> k.add(a, b, out, n));
    agree(1e-6, (k, a, b, out, n) -> k.addScaled(a, 0.3f, out, n));
    agree(0, (k, a, b, out, n) -> k.zero(out, n));
  }

  private void agree(double tolerance, Loop loop) {
    for (int n : new int[] {1, 3, 15, 16, 17, 31, 64, 100, 257, 1408}) {
      MemorySegment[] rows = new MemorySegment[6];
      for (int i = 0; i < 3; i++) {
        rows[i] = Native.floats(arena, Native.normal(random, n + 1)); // one behind the row
        rows[i + 3] = Native.floats(arena, Native.floats(rows[i]));
      }
      loop.run(kernels, rows[0].address(), rows[1].address(), rows[2].address(), n);
      loop.run(new ScalarKernels(), rows[3].address(), rows[4].address(), rows[5].address(), n);
      for (int i = 0; i < 3; i++) {
        float[] got = Native.floats(rows[i]);
        float[] want = Native.floats(rows[i + 3]);
        for (int c = 0; c <= n; c++) {
          double most = c == n ? 0 : tolerance * Math.max(1, Math.abs(want[c]));
          assertEquals(want[c], got[c], most, "row " + i + " of " + n + ", number " + c);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("instructions")
  void siluHoldsAtTheEnds(String instructions) {
    kernels.use(instructions);
    float[] gate = {-1000, -88, -20, 0, 20, 88, 1000, -1e-20f, Float.NaN, 1e30f};
    float[] up = new float[gate.length];
    Arrays.fill(up, 1);
    MemorySegment out = arena.allocate(4L * gate.length);
    kernels.siluMul(
        Native.floats(arena, gate).address(),
        Native.floats(arena, up).address(),
        out.address(),
        gate.length);
    float[] got = Native.floats(out);
    float[] want = {0, -5.3e-37f, -4.1223072e-8f, 0, 20, 88, 1000, -5e-21f, Float.NaN, 1e30f};
    double[] most = {1e-35, 1e-35, 1e-13, 0, 1e-5, 1e-4, 1e-3, 1e-26, 0, 1e24};
    for (int i = 0; i < got.length; i++) {
      assertEquals(want[i], got[i], most[i], "silu(" + gate[i] + ")");
    }
  }

  private float[] multiply(HostTensor w, float[] x) {
    return StripProducts.multiply(kernels, arena, w, x, VECTORS);
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void instructionSetsAgree(Encoding encoding) {
    int cols = 2 * encoding.blockElements() * (encoding instanceof Encoding.Block ? 1 : 99);
    HostTensor w = Native.weight(arena, random, encoding, 33, cols);
    float[] x = Native.normal(random, VECTORS * cols);
    assertTrue(kernels.use("scalar"));
    float[] want = multiply(w, x);
    for (String instructions : NativeKernels.INSTRUCTIONS) {
      if (kernels.use(instructions)) {
        float[] got = multiply(w, x);
        for (int t = 0; t < VECTORS; t++) {
          for (int r = 0; r < 33; r++) {
            double size = Native.dot(w, r, x, t * cols)[1];
            double allowed = size * (encoding instanceof Encoding.Block ? 1e-6 : 0x1p-16);
            assertEquals(want[t * 33 + r], got[t * 33 + r], allowed + 1e-30, instructions);
          }
        }
      }
    }
  }

  @Test
  void findsTheFirstNumberAbove() {
    MemorySegment x = Native.floats(arena, Native.normal(random, 100));
    Memory.f32(x.address() + 40, Float.NaN);
    for (float least : new float[] {Float.NEGATIVE_INFINITY, -1, 0, 2, 9, Float.NaN}) {
      for (int from : new int[] {0, 5, 10, 64, 100}) {
        int first = from;
        while (first < 100 && !(Memory.f32(x.address() + 4L * first) > least)) {
          first++;
        }
        assertEquals(first, kernels.firstAbove(x.address(), from, 100, least));
      }
    }
  }

  @Test
  void aResultDoesNotDependOnHowManyVectorsThereAre() {
    HostTensor w = Native.weight(arena, random, new Encoding.Q4_K(), 32, 512);
    float[] x = Native.normal(random, VECTORS * 512);
    float[] all = multiply(w, x);
    for (int t : List.of(0, 8, 20)) {
      float[] moved = x.clone();
      System.arraycopy(x, t * 512, moved, 20 * 512, 512);
      float[] got = multiply(w, moved);
      for (int r = 0; r < 32; r++) {
        assertEquals(all[t * 32 + r], got[20 * 32 + r]);
      }
    }
  }
}
