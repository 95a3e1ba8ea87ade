package dev.yuzui.convert;

import dev.yuzui.spi.Dequantizer;

/**
 * IQ4_NL and IQ4_XS: codes of four bits that name one of sixteen values, denser near zero. IQ4_NL
 * has an F16 scale for 32 of them; IQ4_XS one for 256, and six bits for each 32.
 */
final class TableBlocks implements RowQuantizer {
  private static final int N = 32;
  private static final int TRIES = 7;
  private static final int SUPER_BYTES = 136;
  private static final byte[] VALUES = Dequantizer.iq4Values();

  /** For each integer from the first value on, the code of the last value that is not above it. */
  private static final byte[] BELOW = below();

  private final boolean superBlocks;
  private final float[] weights = new float[N];
  private final float[] scales = new float[8];

  TableBlocks(boolean superBlocks) {
    this.superBlocks = superBlocks;
  }

  @Override
  public void row(
      float[] x,
      int from,
      int cols,
      float[] importance,
      int importanceFrom,
      byte[] out,
      int outFrom) {
    int n = superBlocks ? 256 : N;
    for (int b = 0; b < cols / n; b++) {
      int o = from + b * n;
      float sigma2 = 2 * Blocks.meanSquare(x, o, n);
      for (int i = 0; i < n / N; i++) {
        if (Blocks.given(importance)) {
          int at = importanceFrom + b * n + i * N;
          Blocks.weigh(x, o + i * N, N, importance, at, sigma2, weights);
        } else {
          Blocks.sizes(x, o + i * N, N, (float) Math.sqrt(sigma2 / 2), weights);
        }
        scales[i] = scale(x, o + i * N);
      }
      if (superBlocks) {
        putSuper(x, o, out, outFrom + b * SUPER_BYTES);
      } else {
        int at = outFrom + b * 18;
        codes(x, o, Blocks.putHalf(out, at, scales[0]), out, at + 2);
      }
    }
  }

  /** The scale of the least weighed error among those that put the extreme near the table's end. */
  private float scale(float[] x, int from) {
    float extreme = ScaleSearch.extreme(x, from, N);
    if (Math.abs(extreme) < 1e-15f) {
      return 0;
    }
    float scale = 0;
    float best = 0;
    for (int guess = -TRIES - 1; guess <= TRIES; guess++) {
      // the first guess puts the extreme on the last value of its sign
      float inverse = guess < -TRIES ? -VALUES[0] / extreme : (guess + VALUES[0]) / extreme;
      float xq = 0;
      float qq = 0;
      for (int i = 0; i < N; i++) {
        int q = VALUES[nearest(inverse * x[from + i])];
        float wq = weights[i] * q;
        xq += wq * x[from + i];
        qq += wq * q;
      }
      if (qq > 0 && xq * xq > best * qq) {
        scale = xq / qq;
        best = scale * xq;
      }
    }
    return scale;
  }

  private void putSuper(float[] x, int from, byte[] out, int at) {
    float d = Blocks.putHalf(out, at, -ScaleSearch.extreme(scales, 0, 8) / 32);
    float inverse = d == 0 ? 0 : 1 / d;
    int high = 0;
    for (int i = 0; i < 8; i++) {
      int l = ScaleSearch.clamp(ScaleSearch.nearest(inverse * scales[i]), -32, 31);
      codes(x, from + i * N, d * l, out, at + 8 + 16 * i);
      int sixBits = l + 32;
      int shift = 4 * (i & 1);
      out[at + 4 + i / 2] =
          (byte) ((shift == 0 ? 0 : out[at + 4 + i / 2]) | (sixBits & 15) << shift);
      high |= (sixBits >> 4) << 2 * i;
    }
    out[at + 2] = (byte) high;
    out[at + 3] = (byte) (high >> 8);
  }

  private static void codes(float[] x, int from, float scale, byte[] out, int at) {
    float inverse = scale == 0 ? 0 : 1 / scale;
    for (int i = 0; i < 16; i++) {
      int low = nearest(inverse * x[from + i]);
      int high = nearest(inverse * x[from + i + 16]);
      out[at + i] = (byte) (low | high << 4);
    }
  }

  /** The code whose value is nearest to {@code v}. */
  private static int nearest(float v) {
    if (!(v > VALUES[0])) {
      return 0;
    }
    if (v >= VALUES[15]) {
      return 15;
    }
    int low = BELOW[(int) Math.floor(v) - VALUES[0]];
    return v - VALUES[low] < VALUES[low + 1] - v ? low : low + 1;
  }

  private static byte[] below() {
    byte[] below = new byte[VALUES[15] - VALUES[0] + 1];
    for (int i = 0; i < below.length; i++) {
      int code = i == 0 ? 0 : below[i - 1];
      below[i] = (byte) (code < 15 && VALUES[code + 1] <= i + VALUES[0] ? code + 1 : code);
    }
    return below;
  }
}
