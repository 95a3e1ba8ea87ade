package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products of strips with many F32 vectors. */
class VectorPanelsTest {
  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(7);
  private final VectorStrips kernels = new VectorStrips();

  @BeforeAll
  static void longVectors() {
    assumeTrue(VectorKernels.lanes() >= 8, "vectors of this processor are too short for kernels");
  }

  @AfterEach
  void close() {
    arena.close();
  }

  static Stream<Encoding> encodings() {
    return VectorStripsTest.encodings();
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void multipliesLikeTheDequantizer(Encoding encoding) {
    for (int cols : StripProducts.columns(encoding)) {
      for (int rows : List.of(1, 16, 75, 128)) {
        for (int vectors : List.of(1, 3, 4, 9)) {
          HostTensor w = Native.weight(arena, random, encoding, rows, cols);
          float[] x = Native.normal(random, vectors * cols);
          float[] got = multiply(w, x, vectors);
          for (int r = 0; r < rows; r++) {
            for (int t = 0; t < vectors; t++) {
              double[] want = Native.dot(w, r, x, t * cols);
              assertEquals(
                  want[0],
                  got[t * rows + r],
                  2e-6 * want[1] + 1e-30,
                  w + " row " + r + " vector " + t);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void moreVectorsThanPassOverAPanelAtATime(Encoding encoding) {
    int cols = 256;
    int rows = 18;
    int vectors = 515;
    HostTensor w = Native.weight(arena, random, encoding, rows, cols);
    float[] x = Native.normal(random, vectors * cols);
    float[] all = multiply(w, x, vectors);
    for (int t : List.of(0, 511, 512, 514)) {
      float[] alone = multiply(w, Arrays.copyOfRange(x, t * cols, (t + 1) * cols), 1);
      for (int r = 0; r < rows; r++) {
        assertEquals(alone[r], all[t * rows + r], w + " row " + r + " vector " + t);
      }
    }
  }

  /** In chunks and behind guards that must stay, as an op would; result [vectors][rows]. */
  private float[] multiply(HostTensor w, float[] x, int vectors) {
    Lane lane = new Lane(0);
    try (Packer packer = new Packer(kernels, SystemCalls.find(), Optional.empty())) {
      Packed packed = packer.pack(w).orElseThrow();
      Product product = new PanelProduct(kernels.panels().orElseThrow(), packed);
      int rows = product.rows();
      int cols = packed.cols();
      MemorySegment activations = Native.floats(arena, x);
      MemorySegment out = arena.allocate(4L * (vectors * rows + 2), 64);
      out.fill((byte) 0x55);
      lane.reserve(product.laneBytes() + 4, vectors);
      Memory.i32(lane.memory() + product.laneBytes(), 0x55555555);
      int chunk = product.chunkRows(rows, vectors, 1);
      for (int from = 0; from < rows; from += chunk) {
        for (int t = 0; t < vectors; t++) {
          lane.in[t] = activations.address() + 4L * t * cols;
          lane.out[t] = out.address() + 4 + 4L * (t * rows + from);
        }
        product.multiply(lane, from, Math.min(rows, from + chunk), from, vectors);
      }
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, 0));
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, vectors * rows + 1L));
      assertEquals(0x55555555, Memory.i32(lane.memory() + product.laneBytes()));
      return Native.floats(out.asSlice(4, 4L * vectors * rows));
    } finally {
      lane.close();
    }
  }
}
