package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.LongStream;

/**
 * Float4 weights as DeepSeek-V4 publishes them: two e2m1 codes a byte, element 2i in the lower four
 * bits of byte i, and apart from them a power of two (float8_e8m0) for each 32 along a row. They
 * are MXFP4's numbers to the bit; only where a code lies differs, so they are put into its blocks.
 *
 * @param codes rows of {@code cols / 2} bytes
 * @param powers rows of {@code cols / 32} bytes
 */
record Fp4Pairs(String name, MemorySegment codes, MemorySegment powers, long rows, long cols)
    implements MatrixSource {
  static final int GROUP = 32;
  static final Encoding MXFP4 = new Encoding.MXFP4();
  private static final int CODE_BYTES = 16;
  private static final int BLOCK = 1 + CODE_BYTES;

  /** Blocks that a thread makes at a time. */
  private static final long PIECE = 1 << 12;

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final long LOW = 0x0f0f_0f0f_0f0f_0f0fL;
  private static final long EVEN_BYTES = 0x00ff_00ff_00ff_00ffL;

  @Override
  public Encoding encoding() {
    return MXFP4;
  }

  @Override
  public HostTensor matrix(Arena arena) {
    MemorySegment out = arena.allocate(madeBytes(), 64);
    long blocks = rows * cols / GROUP;
    LongStream.range(0, Math.ceilDiv(blocks, PIECE))
        .parallel()
        .forEach(
            piece -> {
              long end = Math.min(blocks, (piece + 1) * PIECE);
              for (long i = piece * PIECE; i < end; i++) {
                block(i, out);
              }
            });
    return HostTensor.of(name, encoding(), rows, cols, out);
  }

  /** Byte j of a block has element j in its lower bits and element j + 16 above. */
  private void block(long i, MemorySegment out) {
    long first = codes.get(LONG, i * CODE_BYTES);
    long second = codes.get(LONG, i * CODE_BYTES + 8);
    long even = first & LOW | (second & LOW) << 4;
    long odd = first >>> 4 & LOW | second & LOW << 4;
    long at = i * BLOCK;
    out.set(ValueLayout.JAVA_BYTE, at, powers.get(ValueLayout.JAVA_BYTE, i));
    out.set(LONG, at + 1, alternating(even, odd));
    out.set(LONG, at + 9, alternating(even >>> 32, odd >>> 32));
  }

  /** The lower four bytes of both in turn. */
  private static long alternating(long even, long odd) {
    return Long.expand(even, EVEN_BYTES) | Long.expand(odd, EVEN_BYTES << 8);
  }

  @Override
  public List<MemorySegment> stored() {
    return List.of(codes, powers);
  }

  @Override
  public long madeBytes() {
    return encoding().byteSize(rows, cols);
  }

  /** Powers of two as the F32 scales they are. */
  static MemorySegment floats(MemorySegment powers, Arena arena) {
    MemorySegment out = arena.allocate(4 * powers.byteSize(), 64);
    for (long i = 0; i < powers.byteSize(); i++) {
      float scale = Math.scalb(1f, (powers.get(ValueLayout.JAVA_BYTE, i) & 0xff) - 127);
      out.setAtIndex(ValueLayout.JAVA_FLOAT, i, scale);
    }
    return out;
  }
}
