package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * Formats that kernels do not multiply but that another one, which they do, holds to the last bit
 * (but for the sign of a zero), in a half to a seventh of what F16 takes: their weights are whole
 * numbers of few bits times the block's scale.
 */
final class Lossless {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Lossless() {}

  static Optional<Encoding> of(Encoding encoding) {
    return Optional.ofNullable(
        switch (encoding) {
          case Encoding.Q1_0 _ -> new Encoding.Q2_0();
          case Encoding.TQ1_0 _ -> new Encoding.TQ2_0();
          case Encoding.IQ4_NL _ -> new Encoding.Q8_0();
          default -> null;
        });
  }

  /**
   * A row of {@code w} whose numbers are {@code row} in the format that {@link #of} says, from byte
   * {@code to} on.
   */
  static void encode(HostTensor w, int r, float[] row, MemorySegment out, long to) {
    Encoding.Block from = (Encoding.Block) w.encoding();
    Encoding into = of(from).orElseThrow();
    long begin = from.byteSize(r, w.cols());
    int per = into.blockElements();
    for (int c = 0; c < row.length; c += per) {
      long block = begin + (long) (c / from.blockElements()) * from.blockBytes();
      float unit = from.scales().getFirst().get(w.data(), block);
      short half = Float.floatToFloat16(unit);
      int[] whole = new int[per];
      for (int i = 0; i < per; i++) {
        whole[i] = unit == 0 ? 0 : Math.round(row[c + i] / unit);
      }
      MemorySegment at = out.asSlice(to + (long) (c / per) * into.blockBytes(), into.blockBytes());
      at.fill((byte) 0);
      switch (into) {
        case Encoding.Q2_0 _ -> {
          at.set(SHORT, 0, half);
          for (int i = 0; i < per; i++) {
            or(at, 2 + i / 4, whole[i] + 1 << 2 * (i % 4));
          }
        }
        case Encoding.TQ2_0 _ -> {
          at.set(SHORT, 64, half);
          for (int i = 0; i < per; i++) {
            or(at, 32 * (i / 128) + i % 32, whole[i] + 1 << 2 * (i / 32 % 4));
          }
        }
        default -> {
          at.set(SHORT, 0, half);
          for (int i = 0; i < per; i++) {
            at.set(ValueLayout.JAVA_BYTE, 2 + i, (byte) whole[i]);
          }
        }
      }
    }
  }

  private static void or(MemorySegment to, long at, int bits) {
    to.set(ValueLayout.JAVA_BYTE, at, (byte) (to.get(ValueLayout.JAVA_BYTE, at) | bits));
  }
}
