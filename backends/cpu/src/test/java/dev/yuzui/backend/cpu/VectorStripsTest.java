package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Packing and products of strips on the Vector API. */
class VectorStripsTest {
  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(5);
  private final StripKernels kernels = new VectorStrips();

  @BeforeEach
  void longVectors() {
    assumeTrue(VectorKernels.lanes() >= 8, "vectors of this processor are too short for kernels");
  }

  @AfterEach
  void close() {
    arena.close();
  }

  static Stream<Encoding> encodings() {
    return Encoding.all().stream()
        .filter(e -> StripType.of(e).filter(new VectorStrips()::takes).isPresent());
  }

  private float[] multiply(HostTensor w, float[] x, int vectors) {
    return StripProducts.multiply(kernels, arena, w, x, vectors);
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void multipliesLikeTheDequantizer(Encoding encoding) {
    for (int cols : StripProducts.columns(encoding)) {
      for (int rows : List.of(1, 16, 75)) {
        for (int vectors : List.of(1, 2, 3, 9)) {
          HostTensor w = Native.weight(arena, random, encoding, rows, cols);
          float[] x = Native.normal(random, vectors * cols);
          float[] got = multiply(w, x, vectors);
          for (int r = 0; r < rows; r++) {
            for (int t = 0; t < vectors; t++) {
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
  }

  /**
   * Activations that are whole numbers up to 127 are not rounded, and all sums are as long as can
   * be.
   */
  @ParameterizedTest
  @MethodSource("encodings")
  void sumsOfTheGreatestCodesDoNotOverflow(Encoding encoding) {
    int cols = 512;
    HostTensor w = Native.weight(arena, random, encoding, 48, cols);
    float[] row = new float[cols];
    for (int sign : List.of(1, -1)) {
      for (int r = 0; r < 48; r++) {
        dev.yuzui.spi.Dequantizer.row(w, r, row, 0);
        float[] x = new float[cols];
        for (int c = 0; c < cols; c++) {
          x[c] = row[c] > 0 ? 127 * sign : -127 * sign;
        }
        double[] want = Native.dot(w, r, x, 0);
        assertEquals(want[0], multiply(w, x, 1)[r], 3e-6 * want[1], w + " row " + r);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void aResultDoesNotDependOnHowManyVectorsThereAre(Encoding encoding) {
    int cols = 9 * 256;
    HostTensor w = Native.weight(arena, random, encoding, 32, cols);
    float[] x = Native.normal(random, 7 * cols);
    float[] all = multiply(w, x, 7);
    for (int t = 0; t < 7; t++) {
      float[] alone = multiply(w, Arrays.copyOfRange(x, t * cols, (t + 1) * cols), 1);
      for (int r = 0; r < 32; r++) {
        assertEquals(all[t * 32 + r], alone[r]);
      }
    }
  }

  @Test
  void systemCallsGiveZeroedMemoryAndTakeItBack() {
    for (SystemCalls system : List.of(SystemCalls.find(), new SystemCalls.Elsewhere())) {
      long bytes = 4L << 20;
      long at = system.reserve(bytes);
      assertNotEquals(0, at);
      assertEquals(0, Memory.i32(at));
      Memory.i32(at + bytes - 4, 7);
      assertEquals(7, Memory.i32(at + bytes - 4));
      system.release(at, bytes);
    }
  }

  @Test
  void javaAloneIsADevice() {
    List<String> log = new java.util.ArrayList<>();
    var options = new dev.yuzui.spi.BackendOptions(1, Optional.of("cpu:java"), true, log::add);
    try (var backend = new CpuProvider().open(options)) {
      assertTrue(!backend.description().contains("native"), backend.description());
      assertTrue(log.getFirst().contains("no native kernels"), log.toString());
    }
  }
}
