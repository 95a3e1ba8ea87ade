package dev.yuzui.weights;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;

/**
 * Rows of queries and keys whose pairs that rotate are (i, i + D/2) of a head, put in the order in
 * which they are (2i, 2i + 1). Queries and keys are moved alike, so that their products stay; rows
 * of whole blocks are copied as they are, whatever the format.
 */
final class Halves {
  /** What is moved: the biases and the norms with the rows they belong to. */
  static final Set<Part> PARTS =
      EnumSet.of(Part.Q, Part.K, Part.Q_BIAS, Part.K_BIAS, Part.Q_NORM, Part.K_NORM);

  private Halves() {}

  /** FP8, whose tiles straddle the rows of a head, becomes F32. */
  static Encoding encoding(Encoding stored) {
    return stored instanceof Encoding.Fp8Tiled ? Encoding.F32 : stored;
  }

  static Checkpoint.Weight weight(PartOf key, HostTensor t) {
    return new Checkpoint.Weight(
        key.part(), key.layer(), encoding(t.encoding()), t.rows(), t.cols(), 1);
  }

  /** Bytes of {@link #interleaved}. */
  static long byteSize(HostTensor t) {
    return encoding(t.encoding()).byteSize(t.rows(), t.cols());
  }

  /**
   * @param t [heads·D, cols], or a vector [1, heads·D]
   */
  static HostTensor interleaved(HostTensor t, int head, Arena arena) {
    Encoding encoding = encoding(t.encoding());
    MemorySegment out = arena.allocate(byteSize(t), 64);
    boolean vector = t.rows() == 1;
    long count = vector ? t.cols() : t.rows();
    long bytes = vector ? encoding.blockBytes() : encoding.rowBytes(t.cols());
    float[] decoded = new float[encoding.equals(t.encoding()) ? 0 : (int) t.cols()];
    for (long row = 0; row < count; row++) {
      int i = (int) (row % head);
      long from = row - i + (i % 2 == 0 ? i / 2 : i / 2 + head / 2);
      if (decoded.length == 0) {
        MemorySegment.copy(t.data(), from * bytes, out, row * bytes, bytes);
      } else {
        Dequantizer.row(t, from, decoded, 0);
        Quantizer.encode(encoding, decoded, 0, decoded.length, out, row * bytes);
      }
    }
    return HostTensor.of(t.name(), encoding, t.rows(), t.cols(), out);
  }
}
