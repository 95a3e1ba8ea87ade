package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Experts by token, for layers whose gate does not choose them: integers of four or eight bytes.
 */
final class ExpertTable {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private ExpertTable() {}

  /**
   * @param t [vocab, K]
   * @return I32 [vocab, K], each number below {@code experts}
   */
  static HostTensor of(RawTensor t, int experts, Arena arena) {
    boolean wide = t.type().equals("I64");
    if (!wide && !t.type().equals("I32")) {
      throw new WeightException(
          t.file(),
          "tensor " + t.name(),
          "type I32 or I64, for they are numbers of experts",
          t.type(),
          "use the weights as their publisher made them");
    }
    long rows = t.shape().getFirst();
    long cols = t.innermost();
    MemorySegment out = arena.allocate(Encoding.I32.byteSize(rows, cols), 64);
    for (long i = 0; i < rows * cols; i++) {
      long expert = wide ? t.data().getAtIndex(LONG, i) : t.data().getAtIndex(INT, i);
      if (expert < 0 || expert >= experts) {
        throw new WeightException(
            t.file(),
            "tensor " + t.name(),
            "experts from 0 to " + (experts - 1),
            expert + " for token " + i / cols,
            "check that the file is whole and the configuration belongs to it");
      }
      out.setAtIndex(ValueLayout.JAVA_INT, i, (int) expert);
    }
    return HostTensor.of(t.name(), Encoding.I32, rows, cols, out);
  }
}
