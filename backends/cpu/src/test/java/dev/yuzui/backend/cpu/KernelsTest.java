package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Dequantizer;
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
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every vector kernel against its scalar twin or the dequantizer, sizes odd and even. */
class KernelsTest {
  private static final List<Integer> SIZES = List.of(1, 7, 8, 15, 16, 17, 31, 64, 100, 193);

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(7);
  private final CpuKernels vector = new VectorKernels();
  private final CpuKernels scalar = new ScalarKernels();

  @BeforeAll
  static void longVectors() {
    assumeTrue(VectorKernels.lanes() >= 8, "vectors of this processor are too short for kernels");
  }

  @AfterEach
  void close() {
    arena.close();
  }

  static Stream<Encoding> encodings() {
    return Encoding.all().stream();
  }

  private List<Integer> columns(Encoding encoding) {
    int block = encoding.blockElements();
    return switch (encoding) {
      case Encoding.Plain _ -> SIZES;
      case Encoding.Fp8Tiled _ -> List.of(1, 15, 100, 128, 129, 300);
      default -> List.of(block, 3 * block, 4 * block);
    };
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void decodesLikeTheDequantizer(Encoding encoding) {
    for (int cols : columns(encoding)) {
      HostTensor w = Native.weight(arena, random, encoding, 3, cols);
      float[] expected = new float[cols];
      MemorySegment out = arena.allocate(4L * cols, 64);
      MemorySegment temporary = arena.allocate(vector.temporaryBytes(cols), 64);
      for (int r = 0; r < 3; r++) {
        Dequantizer.row(w, r, expected, 0);
        vector.decode(Native.matrix(w), r, 0, cols, temporary.address(), out.address());
        assertClose(expected, Native.floats(out), 3e-6);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void decodesPartsOfRows(Encoding encoding) {
    int part = Math.max(encoding.blockElements(), 80);
    part = part / encoding.blockElements() * encoding.blockElements();
    HostTensor w = Native.weight(arena, random, encoding, 2, 4 * part);
    float[] expected = new float[4 * part];
    Dequantizer.row(w, 1, expected, 0);
    MemorySegment out = arena.allocate(8L * part, 64);
    MemorySegment temporary = arena.allocate(vector.temporaryBytes(2 * part), 64);
    vector.decode(Native.matrix(w), 1, part, 2 * part, temporary.address(), out.address());
    assertClose(Arrays.copyOfRange(expected, part, 3 * part), Native.floats(out), 3e-6);
  }

  /** Those that have a kernel for one vector at this processor's vector length. */
  static Stream<Encoding> ofOneVector() {
    CpuKernels vector = new VectorKernels();
    return encodings().filter(e -> vector.few(e) > 0);
  }

  @Test
  void blocksHaveAKernelForOneVectorWhereVectorsHaveSixteenLanes() {
    assumeTrue(VectorKernels.lanes() == 16, "this processor's vectors have fewer than 16 lanes");
    assertEquals(encodings().filter(e -> !e.equals(Encoding.F32)).toList(), ofOneVector().toList());
  }

  @ParameterizedTest
  @MethodSource("ofOneVector")
  void multipliesOneVector(Encoding encoding) {
    for (int cols : columns(encoding)) {
      HostTensor w = Native.weight(arena, random, encoding, 200, cols);
      float[] x = Native.normal(random, cols);
      MemorySegment xs = Native.floats(arena, x);
      MemorySegment prepared = arena.allocate(cols + 128L, 64);
      vector.prepare(encoding, xs.address(), cols, prepared.address());
      MemorySegment temporary = arena.allocate(vector.temporaryBytes(cols), 64);
      int from = 3;
      int to = 190;
      MemorySegment out = arena.allocate(4L * (to - from), 64);
      vector.matvec(
          Native.matrix(w),
          from,
          to,
          xs.address(),
          prepared.address(),
          temporary.address(),
          out.address());
      float[] got = Native.floats(out);
      for (int r = from; r < to; r++) {
        double[] want = Native.dot(w, r, x, 0);
        assertEquals(want[0], got[r - from], 2e-6 * want[1] + 1e-30, encoding.label() + " " + cols);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 16, 33, 64, 200})
  void multipliesBlocksOfRowsAndVectors(int k) {
    for (int rows : List.of(1, 4, 7, 16)) {
      for (int n : List.of(1, 3, 4, 9, 14)) {
        long stride = 4L * k + 12;
        MemorySegment a = Native.floats(arena, Native.normal(random, (int) (rows * stride / 4)));
        MemorySegment x = Native.floats(arena, Native.normal(random, n * k));
        float[] before = Native.normal(random, n * rows);
        for (boolean add : new boolean[] {false, true}) {
          float[][] got = new float[2][];
          MemorySegment temporary = arena.allocate(CpuKernels.TEMPORARY, 64);
          for (CpuKernels kernels : List.of(scalar, vector)) {
            MemorySegment out = Native.floats(arena, before);
            long[] xs = new long[n];
            long[] outs = new long[n];
            for (int i = 0; i < n; i++) {
              xs[i] = x.address() + 4L * i * k - 8;
              outs[i] = out.address() + 4L * i * rows - 16;
            }
            kernels.products(
                a.address(), stride, rows, xs, 8, n, k, outs, 16, add, temporary.address());
            got[kernels.equals(scalar) ? 0 : 1] = Native.floats(out);
          }
          assertClose(got[0], got[1], 1e-5);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 17, 64, 100, 192})
  void sumsWeightedRows(int cols) {
    for (int rows : List.of(1, 4, 6)) {
      for (int inner : List.of(1, 5, 32)) {
        MemorySegment p = Native.floats(arena, Native.normal(random, rows * inner));
        MemorySegment b = Native.floats(arena, Native.normal(random, inner * cols));
        float[] before = Native.normal(random, rows * cols);
        float[][] got = new float[2][];
        for (CpuKernels kernels : List.of(scalar, vector)) {
          MemorySegment out = Native.floats(arena, before);
          kernels.weightedSum(
              p.address(),
              4L * inner,
              rows,
              b.address(),
              4L * cols,
              inner,
              cols,
              out.address(),
              4L * cols);
          got[kernels.equals(scalar) ? 0 : 1] = Native.floats(out);
        }
        assertClose(got[0], got[1], 1e-5);
      }
    }
  }

  private interface RowKernel {
    void run(CpuKernels kernels, long a, long b, long out, int count);
  }

  private void agree(double tolerance, RowKernel kernel) {
    for (int count : SIZES) {
      MemorySegment a = Native.floats(arena, Native.normal(random, count));
      MemorySegment b = Native.floats(arena, Native.normal(random, count));
      float[] before = Native.normal(random, count);
      MemorySegment expected = Native.floats(arena, before);
      MemorySegment got = Native.floats(arena, before);
      kernel.run(scalar, a.address(), b.address(), expected.address(), count);
      kernel.run(vector, a.address(), b.address(), got.address(), count);
      assertClose(Native.floats(expected), Native.floats(got), tolerance);
    }
  }

  @Test
  void rowKernelsAgreeWithTheirTwins() {
    agree(1e-6, (k, a, b, out, n) -> k.rmsNorm(a, b, 1e-6f, n, out));
    agree(1e-7, (k, a, b, out, n) -> k.add(a, b, out, n));
    agree(1e-6, (k, a, b, out, n) -> k.siluMul(a, b, out, n));
    agree(1e-7, (k, a, b, out, n) -> k.scale(out, 0.3f, n));
    agree(1e-6, (k, a, b, out, n) -> k.addScaled(a, 0.3f, out, n));
    agree(1e-7, (k, a, b, out, n) -> k.zero(out, n));
    agree(1e-7, (k, a, b, out, n) -> Memory.f32(out, k.max(a, n)));
    agree(1e-6, (k, a, b, out, n) -> k.expSum(out, 0.5f, 4f, n));
    agree(1e-6, (k, a, b, out, n) -> Memory.f32(out, k.expSum(out, 0.5f, 4f, n)));
  }

  @Test
  void siluHoldsAtTheEnds() {
    float[] gate = {-1000, -88, -20, 0, 20, 88, 1000, -1e-20f, 3, 4, 5, 6, 7, 8, 9, 10};
    float[] up = new float[gate.length];
    Arrays.fill(up, 1);
    MemorySegment out = arena.allocate(4L * gate.length);
    vector.siluMul(
        Native.floats(arena, gate).address(),
        Native.floats(arena, up).address(),
        out.address(),
        gate.length);
    float[] got = Native.floats(out);
    assertEquals(0, got[0], 1e-30);
    assertEquals(0, got[1], 1e-30);
    assertEquals(0, got[3], 0);
    assertEquals(88, got[5], 1e-4);
    assertEquals(1000, got[6], 1e-3);
  }

  @Test
  void encodesCacheEntriesLikeItsTwin() {
    MemorySegment x = Native.floats(arena, Native.normal(random, 576));
    for (Encoding e : Encoding.caches()) {
      MemorySegment a = arena.allocate(e.rowBytes(576), 64);
      MemorySegment b = arena.allocate(e.rowBytes(576), 64);
      scalar.encode(e, x.address(), 576, a.address());
      vector.encode(e, x.address(), 576, b.address());
      assertEquals(-1, a.mismatch(b), e.label());
    }
  }

  private static double distance(float[] expected, float[] got) {
    double worst = 0;
    double size = 1e-30;
    for (float e : expected) {
      size = Math.max(size, Math.abs(e));
    }
    for (int i = 0; i < expected.length; i++) {
      double difference = Math.abs(expected[i] - got[i]) / size;
      worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
    }
    return worst;
  }

  private static void assertClose(float[] expected, float[] got, double tolerance) {
    assertEquals(expected.length, got.length);
    assertEquals(0, distance(expected, got), tolerance);
  }
}
