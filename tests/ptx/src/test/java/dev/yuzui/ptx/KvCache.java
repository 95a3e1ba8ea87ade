package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Random;

/**
 * Entries of a KV cache in pages that lie in any order, and the numbers in them.
 *
 * @param pages [sequences, pagesPerSequence]
 */
record KvCache(
    Format format, int width, int pageTokens, int pagesPerSequence, int[] pages, byte[] entries) {

  /** How numbers are kept. */
  enum Format {
    F32(4),
    F16(2),
    BF16(2),
    E4M3(1);

    private final int bytes;

    Format(int bytes) {
      this.bytes = bytes;
    }

    int bytes() {
      return bytes;
    }

    String suffix() {
      return name().toLowerCase(Locale.ROOT);
    }

    double read(byte[] from, int index) {
      ByteBuffer b = ByteBuffer.wrap(from).order(ByteOrder.LITTLE_ENDIAN);
      return switch (this) {
        case F32 -> b.getFloat(4 * index);
        case F16 -> Float.float16ToFloat(b.getShort(2 * index));
        case BF16 -> Float.intBitsToFloat(b.getShort(2 * index) << 16);
        case E4M3 -> WeightFormat.e4m3(from[index] & 0xff);
      };
    }

    private void random(ByteBuffer b, int index, Random random) {
      float v = (float) random.nextGaussian();
      switch (this) {
        case F32 -> b.putFloat(4 * index, v);
        case F16 -> b.putShort(2 * index, Float.floatToFloat16(v));
        case BF16 -> b.putShort(2 * index, (short) (Float.floatToIntBits(v) >>> 16));
        // exponents up to 2^1
        case E4M3 -> b.put(index, (byte) (random.nextInt(0x44) | random.nextInt(2) << 7));
      }
    }
  }

  static KvCache random(
      Format format, int width, int pageTokens, int sequences, int longest, Random random) {
    int each = Math.ceilDiv(longest, pageTokens);
    int count = sequences * each;
    int[] pages = new int[count];
    for (int i = 0; i < count; i++) {
      pages[i] = (i * 7 + 3) % count;
    }
    for (int i = 0; i < count; i++) { // 7 may divide their number
      pages[i] = count % 7 == 0 ? count - 1 - i : pages[i];
    }
    byte[] entries = new byte[count * pageTokens * width * format.bytes()];
    ByteBuffer b = ByteBuffer.wrap(entries).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < entries.length / format.bytes(); i++) {
      format.random(b, i, random);
    }
    return new KvCache(format, width, pageTokens, each, pages, entries);
  }

  /** The row of entry {@code i} of a sequence. */
  int row(int sequence, int i) {
    return pages[sequence * pagesPerSequence + i / pageTokens] * pageTokens + i % pageTokens;
  }

  double at(int sequence, int i, int column) {
    return format.read(entries, row(sequence, i) * width + column);
  }

  GlobalBuffer entries(Device device, Role role) {
    return device.memory().put("entries", role, entries);
  }

  GlobalBuffer pages(Device device) {
    return device.memory().ints("pages", Role.INPUT, pages);
  }
}
