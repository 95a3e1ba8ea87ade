package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.stream.LongStream;

/**
 * Float4 weights as DeepSeek-V4 publishes them: two e2m1 codes a byte, element 2i in the lower four
 * bits of byte i, and apart from them a power of two (float8_e8m0) for each 32 along a row. They
 * are MXFP4's numbers to the bit; only where a code lies differs, so they are put into its blocks.
 *
 * @param codes rows of {@code cols / 2} bytes
 * @param powers rows of {@code cols / 32} bytes
 */
record Fp4Pairs(String name, MemorySegment codes, MemorySegment powers, long rows, long cols) {
  static final int GROUP = 32;
  static final Encoding MXFP4 = new Encoding.MXFP4();
  private static final int BLOCK = 17;

  HostTensor mxfp4(Arena arena) {
    MemorySegment out = arena.allocate(byteSize(), 64);
    LongStream.range(0, rows * cols / GROUP)
        .parallel()
        .forEach(
            i -> {
              byte power = powers.get(ValueLayout.JAVA_BYTE, i);
              out.set(ValueLayout.JAVA_BYTE, i * BLOCK, power);
              for (int j = 0; j < 16; j++) {
                int low = code(i * GROUP + j);
                int high = code(i * GROUP + j + 16);
                out.set(ValueLayout.JAVA_BYTE, i * BLOCK + 1 + j, (byte) (low | high << 4));
              }
            });
    return HostTensor.of(name, MXFP4, rows, cols, out);
  }

  /** Bytes of {@link #mxfp4}. */
  long byteSize() {
    return MXFP4.byteSize(rows, cols);
  }

  /** Its bytes as they lie in the file, which say nothing as numbers. */
  HostTensor stored() {
    return new HostTensor(name, Encoding.E4M3, rows, cols / 2, codes, Optional.of(powers));
  }

  private int code(long element) {
    return codes.get(ValueLayout.JAVA_BYTE, element / 2) >> 4 * (element & 1) & 15;
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
