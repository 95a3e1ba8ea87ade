package dev.yuzui.spi;

import static dev.yuzui.spi.Dequantizer.INT;
import static dev.yuzui.spi.Dequantizer.SHORT;
import static dev.yuzui.spi.Dequantizer.half;
import static dev.yuzui.spi.Dequantizer.u8;

import java.lang.foreign.MemorySegment;

/**
 * Blocks of 256 of the IQ1, IQ2 and IQ3 formats: eight groups i of 32, each four runs l of eight.
 * Like the rest of {@link Dequantizer}, F32 arithmetic in ggml's order.
 */
final class GridBlocks {
  private GridBlocks() {}

  static void iq2xxs(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      int bits = src.get(INT, b + 6 + 8 * i);
      float scale = d * (0.5f + (bits >>> 28)) * 0.25f;
      for (int l = 0; l < 4; l++) {
        int signs = Grid.signs(bits >>> 7 * l & 127);
        run(Grid.IQ2_XXS, u8(src, b + 2 + 8 * i + l), signs, scale, out, o + 32 * i + 8 * l);
      }
    }
  }

  static void iq2xs(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      for (int l = 0; l < 4; l++) {
        int q = src.get(SHORT, b + 2 + 8 * i + 2 * l) & 0xffff;
        float scale = d * (0.5f + (u8(src, b + 66 + i) >> 4 * (l / 2) & 15)) * 0.25f;
        run(Grid.IQ2_XS, q & 511, Grid.signs(q >> 9), scale, out, o + 32 * i + 8 * l);
      }
    }
  }

  static void iq2s(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      for (int l = 0; l < 4; l++) {
        int index = u8(src, b + 2 + 4 * i + l) | (u8(src, b + 66 + i) >> 2 * l & 3) << 8;
        float scale = d * (0.5f + (u8(src, b + 74 + i) >> 4 * (l / 2) & 15)) * 0.25f;
        int signs = u8(src, b + 34 + 4 * i + l);
        run(Grid.IQ2_S, index, signs, scale, out, o + 32 * i + 8 * l);
      }
    }
  }

  static void iq3xxs(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      int bits = src.get(INT, b + 66 + 4 * i);
      float scale = d * (0.5f + (bits >>> 28)) * 0.5f;
      for (int l = 0; l < 8; l++) {
        int signs = Grid.signs(bits >>> 7 * (l / 2) & 127) >> 4 * (l & 1);
        run(Grid.IQ3_XXS, u8(src, b + 2 + 8 * i + l), signs, scale, out, o + 32 * i + 4 * l);
      }
    }
  }

  static void iq3s(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      float scale = d * (1 + 2 * (u8(src, b + 106 + i / 2) >> 4 * (i & 1) & 15));
      for (int l = 0; l < 8; l++) {
        int index = u8(src, b + 2 + 8 * i + l) | (u8(src, b + 66 + i) >> l & 1) << 8;
        int signs = u8(src, b + 74 + 4 * i + l / 2) >> 4 * (l & 1);
        run(Grid.IQ3_S, index, signs, scale, out, o + 32 * i + 4 * l);
      }
    }
  }

  /** A set bit of {@code signs} is a minus. */
  private static void run(Grid grid, int entry, int signs, float scale, float[] out, int o) {
    for (int j = 0; j < grid.run(); j++) {
      float magnitude = scale * grid.number(entry, j);
      out[o + j] = (signs >> j & 1) == 0 ? magnitude : -magnitude;
    }
  }

  static void iq1s(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    for (int i = 0; i < 8; i++) {
      int high = src.get(SHORT, b + 34 + 2 * i);
      float scale = d * (2 * (high >> 12 & 7) + 1);
      for (int l = 0; l < 4; l++) {
        int index = u8(src, b + 2 + 4 * i + l) | (high >> 3 * l & 7) << 8;
        shifted(index, (high & 0x8000) != 0, scale, out, o + 32 * i + 8 * l);
      }
    }
  }

  static void iq1m(MemorySegment src, long b, float[] out, int o) {
    float d = new Encoding.IQ1_M().scales().getFirst().get(src, b);
    for (int i = 0; i < 8; i++) {
      int scales = src.get(SHORT, b + 48 + 2 * (i / 2)) >> 6 * (i & 1);
      for (int l = 0; l < 4; l++) {
        float scale = d * (2 * (scales >> 3 * (l / 2) & 7) + 1);
        int high = u8(src, b + 32 + 2 * i + l / 2) >> 4 * (l & 1);
        int index = u8(src, b + 4 * i + l) | (high & 7) << 8;
        shifted(index, (high & 8) != 0, scale, out, o + 32 * i + 8 * l);
      }
    }
  }

  private static void shifted(int entry, boolean down, float scale, float[] out, int o) {
    float shift = down ? -0.125f : 0.125f;
    for (int j = 0; j < 8; j++) {
      out[o + j] = scale * (Grid.IQ1.number(entry, j) + shift);
    }
  }
}
