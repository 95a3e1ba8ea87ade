package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/** Packs, prepares and multiplies, and knows how far off a product may be. */
final class StripProducts {
  private StripProducts() {}

  /** Widths odd and even, in blocks of the encoding. */
  static List<Integer> columns(Encoding encoding) {
    int block = encoding.blockElements();
    return switch (encoding) {
      case Encoding.Plain _ -> List.of(1, 2, 31, 64, 100, 256, 577);
      case Encoding.Fp8Tiled _ -> List.of(1, 15, 128, 129, 300, 512);
      default -> List.of(block, 3 * block, 9 * block);
    };
  }

  /** Of block formats: eight-bit activations; of numbers: sixteen-bit ones. */
  static double tolerance(HostTensor w, int r, float[] x, int at, double size) {
    if (!(w.encoding() instanceof Encoding.Block)) {
      return size * 0x1p-16 + 1e-30;
    }
    float[] row = new float[(int) w.cols()];
    Dequantizer.row(w, r, row, 0);
    double squares = 0;
    double most = 0;
    for (int c = 0; c < row.length; c++) {
      squares += (double) row[c] * row[c];
      most = Math.max(most, Math.abs(x[at + c]));
    }
    return 6 * most / 127 / Math.sqrt(12) * Math.sqrt(squares) + 3e-6 * size;
  }

  /** A product in three parts of strips, behind guards that must stay; result [vectors][rows]. */
  static float[] multiply(StripKernels kernels, Arena arena, HostTensor w, float[] x, int vectors) {
    Lane lane = new Lane(0);
    try (Packer packer = new Packer(kernels, SystemCalls.find(), Optional.empty())) {
      int cols = (int) w.cols();
      Packed packed = packer.pack(w).orElseThrow();
      long preparedBytes = kernels.preparedBytes(packed.type(), cols);
      MemorySegment activations = Native.floats(arena, x);
      MemorySegment prepared = arena.allocate(vectors * preparedBytes, 64);
      prepared.fill((byte) 0x77);
      MemorySegment temporary = arena.allocate(kernels.temporaryBytes() + 64, 64);
      temporary.fill((byte) 0x55);
      int rows = packed.rows();
      MemorySegment out = arena.allocate(4L * (vectors * rows + 2), 64);
      out.fill((byte) 0x55);
      MemorySegment ins = arena.allocate(8L * vectors, 64);
      MemorySegment outs = arena.allocate(8L * vectors, 64);
      kernels.prepare(
          new PrepareOp.Source(activations.address(), 4L * cols, 1, 0, cols),
          0,
          vectors,
          new PrepareOp.Prepared(packed.type(), prepared.address(), preparedBytes));
      for (int i = 0; i < vectors; i++) {
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
            vectors,
            outs.address(),
            lane,
            temporary.address());
      }
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, 0));
      assertEquals(0x55555555, out.getAtIndex(ValueLayout.JAVA_INT, vectors * rows + 1L));
      assertEquals(
          0x55555555, temporary.get(ValueLayout.JAVA_INT_UNALIGNED, kernels.temporaryBytes()));
      return Native.floats(out.asSlice(4, 4L * vectors * rows));
    } finally {
      lane.close();
    }
  }
}
