package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Packing and products of every type on every instruction set that the processor has. */
class NativeKernelsTest {
  private static final List<String> INSTRUCTIONS = List.of("scalar", "avx2", "avx512-vnni");
  private static final int VECTORS = 21;

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(5);
  private final NativeKernels kernels = kernels();
  private final String best = kernels.instructions();

  private static NativeKernels kernels() {
    StringBuilder why = new StringBuilder();
    var found = NativeKernels.find(why::append);
    assumeTrue(found.isPresent(), "no native kernels: " + why);
    return found.orElseThrow();
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
    return INSTRUCTIONS.stream().flatMap(i -> encodings().map(e -> Arguments.of(i, e)));
  }

  private static List<Integer> columns(Encoding encoding) {
    int block = encoding.blockElements();
    return switch (encoding) {
      case Encoding.Plain _ -> List.of(1, 2, 31, 64, 100, 256, 577);
      case Encoding.Fp8Tiled _ -> List.of(1, 15, 128, 129, 300, 512);
      default -> List.of(block, 3 * block, 9 * block);
    };
  }

  private void require(String instructions) {
    assumeTrue(kernels.use(instructions), "this processor has no " + instructions);
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void multipliesLikeTheDequantizer(String instructions, Encoding encoding) {
    require(instructions);
    for (int cols : columns(encoding)) {
      for (int rows : List.of(1, 16, 150)) {
        HostTensor w = Native.weight(arena, random, encoding, rows, cols);
        float[] x = Native.normal(random, VECTORS * cols);
        float[] got = multiply(w, x, cols);
        for (int r = 0; r < rows; r++) {
          for (int t = 0; t < VECTORS; t++) {
            double[] want = Native.dot(w, r, x, t * cols);
            assertEquals(
                want[0],
                got[t * rows + r],
                tolerance(encoding, w, r, x, t * cols, want[1]),
                w + " row " + r + " vector " + t);
          }
        }
      }
    }
  }

  /** Of block formats: eight-bit activations; of numbers: sixteen-bit ones. */
  private static double tolerance(
      Encoding encoding, HostTensor w, int r, float[] x, int at, double size) {
    if (!(encoding instanceof Encoding.Block)) {
      return size * 0x1p-16 + 1e-30;
    }
    float[] row = new float[(int) w.cols()];
    dev.yuzui.spi.Dequantizer.row(w, r, row, 0);
    double squares = 0;
    double most = 0;
    for (int c = 0; c < row.length; c++) {
      squares += (double) row[c] * row[c];
      most = Math.max(most, Math.abs(x[at + c]));
    }
    return 6 * most / 127 / Math.sqrt(12) * Math.sqrt(squares) + 3e-6 * size;
  }

  /** A product in three parts of strips, behind guards that must stay. */
  private float[] multiply(HostTensor w, float[] x, int cols) {
    try (Packer packer = new Packer(kernels)) {
      Packed packed = packer.pack(w).orElseThrow();
      long preparedBytes = kernels.preparedBytes(packed.type(), cols);
      MemorySegment activations = Native.floats(arena, x);
      MemorySegment prepared = arena.allocate(VECTORS * preparedBytes, 64);
      int rows = packed.rows();
      kernels.prepare(
          new PrepareOp.Source(activations.address(), 4L * cols, 1, 0, cols),
          0,
          VECTORS,
          new PrepareOp.Prepared(packed.type(), prepared.address(), preparedBytes));
      MemorySegment out = arena.allocate(4L * (VECTORS * rows + 2), 64);
      out.fill((byte) 0x55);
      MemorySegment ins = arena.allocate(8 * VECTORS, 64);
      MemorySegment outs = arena.allocate(8 * VECTORS, 64);
      for (int i = 0; i < VECTORS; i++) {
        ins.setAtIndex(ValueLayout.JAVA_LONG, i, prepared.address() + i * preparedBytes);
        outs.setAtIndex(ValueLayout.JAVA_LONG, i, out.address() + 4 + 4L * i * rows);
      }
      int strips = packed.strips();
      int[] cuts = {0, strips / 3, strips - 1, strips};
      for (int i = 0; i < 3; i++) {
        kernels.product(
            packed,
            cuts[i],
            Math.max(cuts[i], cuts[i + 1]),
            ins.address(),
            VECTORS,
            outs.address());
      }
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, 0));
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, VECTORS * rows + 1L));
      return Native.floats(out.asSlice(4, 4L * VECTORS * rows));
    }
  }

  @ParameterizedTest
  @MethodSource("encodings")
  void instructionSetsAgree(Encoding encoding) {
    int cols = 2 * encoding.blockElements() * (encoding instanceof Encoding.Block ? 1 : 99);
    HostTensor w = Native.weight(arena, random, encoding, 33, cols);
    float[] x = Native.normal(random, VECTORS * cols);
    assertTrue(kernels.use("scalar"));
    float[] want = multiply(w, x, cols);
    for (String instructions : INSTRUCTIONS) {
      if (kernels.use(instructions)) {
        float[] got = multiply(w, x, cols);
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
  void aResultDoesNotDependOnHowManyVectorsThereAre() {
    HostTensor w = Native.weight(arena, random, new Encoding.Q4_K(), 32, 512);
    float[] x = Native.normal(random, VECTORS * 512);
    float[] all = multiply(w, x, 512);
    for (int t : List.of(0, 8, 20)) {
      float[] moved = x.clone();
      System.arraycopy(x, t * 512, moved, 20 * 512, 512);
      float[] got = multiply(w, moved, 512);
      for (int r = 0; r < 32; r++) {
        assertEquals(all[t * 32 + r], got[20 * 32 + r]);
      }
    }
  }
}
