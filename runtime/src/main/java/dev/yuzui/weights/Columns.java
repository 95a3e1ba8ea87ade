package dev.yuzui.weights;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The left and right half of a matrix's columns as matrices of their own: the projection of an MTP
 * layer, whose input is an embedding and a state behind each other, where the two are multiplied
 * apart.
 */
final class Columns {
  private Columns() {}

  /** Rows whose middle is within a block become F32. */
  private static Encoding encoding(HostTensor whole) {
    Encoding stored = whole.encoding();
    return whole.cols() / 2 % stored.blockElements() == 0 ? stored : Encoding.F32;
  }

  static Checkpoint.Weight weight(PartOf key, HostTensor whole) {
    return new Checkpoint.Weight(
        key.part(), key.layer(), encoding(whole), whole.rows(), whole.cols() / 2, 1);
  }

  /** Bytes of both halves. */
  static long byteSize(HostTensor whole) {
    return 2 * encoding(whole).byteSize(whole.rows(), whole.cols() / 2);
  }

  /**
   * @param name of the half
   * @param whole of an encoding without scales apart
   */
  static HostTensor half(String name, HostTensor whole, boolean right, Arena arena) {
    Encoding encoding = encoding(whole);
    int cols = (int) (whole.cols() / 2);
    MemorySegment out = arena.allocate(encoding.byteSize(whole.rows(), cols), 64);
    long bytes = encoding.rowBytes(cols);
    float[] row = new float[2 * cols];
    for (long r = 0; r < whole.rows(); r++) {
      if (encoding.equals(whole.encoding())) {
        long from = 2 * r * bytes + (right ? bytes : 0);
        MemorySegment.copy(whole.data(), from, out, r * bytes, bytes);
      } else {
        Dequantizer.row(whole, r, row, 0);
        Quantizer.encode(encoding, row, right ? cols : 0, cols, out, r * bytes);
      }
    }
    return HostTensor.of(name, encoding, whole.rows(), cols, out);
  }
}
