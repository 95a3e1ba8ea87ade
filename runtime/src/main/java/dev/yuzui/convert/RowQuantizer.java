package dev.yuzui.convert;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Scalar;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Encodes rows of weights. The codes of a block are those with the least squared error that a short
 * search finds, where each number's error counts by its importance, the mean square of the
 * activations that it multiplies, times √(σ² + x²), as llama.cpp's quantisers weigh it; without
 * importance by σ + |x|, Q4_0 and Q5_0 excepted, which take one scale from the largest number. Q8_0
 * and MXFP4 take no importance: their blocks have next to nothing to choose. An instance keeps
 * scratch room and is for one thread.
 */
interface RowQuantizer {
  float[] NO_IMPORTANCE = {};

  /**
   * Encodes {@code cols} numbers, whole blocks, all of one row.
   *
   * @param importance of each column, above 0, from {@code importanceFrom} on; {@link
   *     #NO_IMPORTANCE} for none
   */
  void row(
      float[] x,
      int from,
      int cols,
      float[] importance,
      int importanceFrom,
      byte[] out,
      int outFrom);

  /** Empty for encodings that nothing here writes. */
  static Optional<RowQuantizer> of(Encoding encoding) {
    return Optional.ofNullable(
        switch (encoding) {
          case Encoding.Plain(Scalar s) when s == Scalar.F32 || s == Scalar.F16 -> plain(encoding);
          case Encoding.Plain(Scalar s) when s == Scalar.BF16 -> plain(encoding);
          case Encoding.Q8_0 _ -> plain(encoding);
          case Encoding.Q4_0 _ -> new StepBlocks(8);
          case Encoding.Q5_0 _ -> new StepBlocks(16);
          case Encoding.Q4_1 _ -> new OffsetBlocks(15);
          case Encoding.Q5_1 _ -> new OffsetBlocks(31);
          case Encoding.IQ4_NL _ -> new TableBlocks(false);
          case Encoding.IQ4_XS _ -> new TableBlocks(true);
          case Encoding.MXFP4 _ -> new Mxfp4Blocks();
          case Encoding.Q2_K _ -> new Q2kBlocks();
          case Encoding.Q3_K _ -> new Q3kBlocks();
          case Encoding.Q4_K _ -> new Q45kBlocks(false);
          case Encoding.Q5_K _ -> new Q45kBlocks(true);
          case Encoding.Q6_K _ -> new Q6kBlocks();
          default -> null;
        });
  }

  private static RowQuantizer plain(Encoding encoding) {
    return (x, from, cols, _, _, out, outFrom) ->
        Quantizer.encode(encoding, x, from, cols, MemorySegment.ofArray(out), outFrom);
  }
}
