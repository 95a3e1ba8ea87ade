package dev.yuzui.spi;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** Blocks and the numbers that ggml's own code makes of them: tests/reference/quants. */
final class Golden {
  private Golden() {}

  static byte[] bytes(String name) {
    Path file =
        Path.of(System.getProperty("yuzui.root", "../.."), "tests/reference/quants/golden", name);
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static float[] floats(String name) {
    return floats(bytes(name));
  }

  static float[] floats(byte[] littleEndian) {
    float[] out = new float[littleEndian.length / 4];
    ByteBuffer.wrap(littleEndian).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(out);
    return out;
  }

  /** All of {@code blocks} as F32. */
  static float[] decode(Encoding encoding, byte[] blocks) {
    int count = blocks.length / encoding.blockBytes() * encoding.blockElements();
    float[] out = new float[count];
    Dequantizer.decode(encoding, MemorySegment.ofArray(blocks), 0, count, out, 0);
    return out;
  }

  /** Equality of bits distinguishes −0 from 0, as ggml's results do. */
  static int[] bits(float[] x) {
    int[] out = new int[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = Float.floatToRawIntBits(x[i]);
    }
    return out;
  }
}
