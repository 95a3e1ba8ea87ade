package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Packing and products of strips on the Vector API. */
class VectorStripsTest {
  private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED;

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(5);
  private final StripKernels kernels = new VectorStrips();

  @BeforeAll
  static void longVectors() {
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

  /** Sums of 16 bits: the greatest and the least codes by the greatest activations. */
  @ParameterizedTest
  @MethodSource("encodings")
  void sumsOfTheGreatestCodesDoNotOverflow(Encoding encoding) {
    int cols = 512;
    for (int codes : List.of(0, 0xff, 0x7f, 0x80)) {
      HostTensor w = extreme(encoding, codes, 16, cols);
      for (float activation : List.of(127f, -127f)) {
        float[] x = new float[cols];
        Arrays.fill(x, activation);
        double[] want = Native.dot(w, 3, x, 0);
        assertEquals(want[0], multiply(w, x, 1)[3], 1e-6 * want[1] + 1e-30, w + " of " + codes);
      }
    }
  }

  /** Blocks of one byte over and over, with scales of 1 and of 3. */
  private HostTensor extreme(Encoding encoding, int codes, int rows, int cols) {
    HostTensor w = Native.weight(arena, random, encoding, rows, cols);
    MemorySegment data = w.data();
    data.fill((byte) codes);
    for (long b = 0; b < data.byteSize(); b += encoding.blockBytes()) {
      switch (encoding) {
        case Encoding.Q4_K _, Encoding.Q5_K _ -> {
          data.set(HALF, b, (short) 0x3c00);
          data.set(HALF, b + 2, (short) 0x3c00);
          data.asSlice(b + 4, 12).fill((byte) 3);
        }
        case Encoding.Q6_K _ -> {
          data.asSlice(b + 192, 16).fill((byte) 3);
          data.set(HALF, b + 208, (short) 0x3c00);
        }
        default -> data.set(HALF, b, (short) 0x3c00);
      }
    }
    return w;
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
