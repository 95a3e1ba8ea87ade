package dev.yuzui.convert;

import java.util.Arrays;

/**
 * Searches for the scale, and the minimum, with which a few numbers lie nearest to whole steps,
 * each number's squared error weighed. For given steps l the best scale is that of least squares;
 * steps are taken from several first guesses, and then one number at a time. An instance keeps
 * scratch room and is for one thread.
 */
final class ScaleSearch {
  /** Below this a block is zeros. */
  private static final float NOTHING = 1e-15f;

  private static final int MOST = 256;

  private final int[] tried = new int[MOST];

  /** What {@link #affine} found beside the scale: to be subtracted, 0 or more. */
  private float minimum;

  float minimum() {
    return minimum;
  }

  /** To even; what is no int becomes the nearest that is one. */
  static int nearest(float f) {
    return (int) Math.rint(f);
  }

  /** The same for |f| below 2²², which is not checked: the sum's last bits are the integer. */
  private static int quick(float f) {
    return Float.floatToRawIntBits(f + 0x1.8p23f) - 0x4B400000;
  }

  static int clamp(int l, int low, int high) {
    return l < low ? low : Math.min(l, high);
  }

  /**
   * Symmetric steps, x ≈ s·l with −most ≤ l &lt; most.
   *
   * @param steps out: l + most of each number
   * @return s, of either sign; 0 where all are zero
   */
  float symmetric(float[] x, int from, int n, int most, float[] weights, int[] steps) {
    float extreme = extreme(x, from, n);
    if (Math.abs(extreme) < NOTHING) {
      Arrays.fill(steps, 0, n, most);
      return 0;
    }
    float scale = 0;
    float best = -1;
    for (int guess = -9; guess <= 9; guess++) {
      float inverse = -(most + 0.1f * guess) / extreme;
      float xl = 0;
      float ll = 0;
      for (int i = 0; i < n; i++) {
        int l = clamp(quick(inverse * x[from + i]), -most, most - 1);
        tried[i] = l;
        float wl = weights[i] * l;
        xl += wl * x[from + i];
        ll += wl * l;
      }
      if (ll > 0 && (best < 0 || xl * xl > best * ll)) {
        scale = xl / ll;
        best = scale * xl;
        keep(steps, n, most);
      }
    }
    if (best < 0) { // nothing weighs anything
      Arrays.fill(steps, 0, n, most);
    }
    return refined(x, from, n, most, weights, steps, scale);
  }

  private void keep(int[] steps, int n, int bias) {
    for (int i = 0; i < n; i++) {
      steps[i] = tried[i] + bias;
    }
  }

  /** Moves one number's step at a time, as long as the error left by the best scale falls. */
  private static float refined(
      float[] x, int from, int n, int most, float[] weights, int[] steps, float scale) {
    float xl = 0;
    float ll = 0;
    for (int i = 0; i < n; i++) {
      int l = steps[i] - most;
      xl += weights[i] * x[from + i] * l;
      ll += weights[i] * l * l;
    }
    if (ll <= 0) {
      return scale;
    }
    boolean moved = true;
    for (int round = 0; round < 5 && moved; round++) {
      moved = false;
      for (int i = 0; i < n; i++) {
        int l = steps[i] - most;
        float w = weights[i];
        float restXl = xl - w * x[from + i] * l;
        float restLl = ll - w * l * l;
        if (restXl == 0) {
          continue;
        }
        int other = clamp(nearest(x[from + i] * restLl / restXl), -most, most - 1);
        float otherXl = restXl + w * x[from + i] * other;
        float otherLl = restLl + w * other * other;
        if (other != l && otherLl > 0 && otherXl * otherXl * ll > xl * xl * otherLl) {
          steps[i] = other + most;
          xl = otherXl;
          ll = otherLl;
          moved = true;
        }
      }
    }
    return xl / ll;
  }

  /** The number farthest from zero, with its sign. */
  static float extreme(float[] x, int from, int n) {
    float extreme = 0;
    for (int i = from; i < from + n; i++) {
      if (Math.abs(x[i]) > Math.abs(extreme)) {
        extreme = x[i];
      }
    }
    return extreme;
  }

  /**
   * Steps from a minimum, x ≈ s·l − m with 0 ≤ l ≤ most and m ≥ 0 in {@link #minimum()}.
   *
   * @return s, 0 or more
   */
  float affine(float[] x, int from, int n, int most, float[] weights, Guesses guesses) {
    float min = Math.min(x[from], 0);
    float max = x[from];
    double sumW = 0;
    double sumX = 0;
    double sumXx = 0;
    for (int i = 0; i < n; i++) {
      float v = x[from + i];
      min = Math.min(min, v);
      max = Math.max(max, v);
      double wx = weights[i] * v;
      sumW += weights[i];
      sumX += wx;
      sumXx += wx * v;
    }
    minimum = -min;
    if (max <= min) {
      return 0;
    }
    float range = max - min;
    float scale = range / most;
    double best = Double.MAX_VALUE;
    for (int k = -1; k <= guesses.count; k++) {
      float steps = k < 0 ? most : guesses.first + guesses.step * k + most;
      float inverse = steps / range;
      double sumL = 0;
      double sumLl = 0;
      double sumXl = 0;
      for (int i = 0; i < n; i++) {
        float v = x[from + i];
        int l = clamp(quick(inverse * (v - min)), 0, most);
        float wl = weights[i] * l;
        sumL += wl;
        sumLl += wl * l;
        sumXl += wl * v;
      }
      double determinant = sumW * sumLl - sumL * sumL;
      if (determinant <= 0) {
        continue;
      }
      double s = (sumW * sumXl - sumX * sumL) / determinant;
      double m = (sumLl * sumX - sumL * sumXl) / determinant;
      if (m > 0) {
        m = 0;
        s = sumXl / sumLl;
      }
      // Σ w (s·l + m − x)² where s and m are those of least squares
      double error = sumXx - s * sumXl - m * sumX;
      if (error < best && s > 0) {
        best = error;
        scale = (float) s;
        minimum = (float) -m;
      }
    }
    return scale;
  }

  /** The inverse scales that are tried: (first + step·k + most) / range for k from 0 to count. */
  record Guesses(float first, float step, int count) {}

  /**
   * Steps of numbers that are 0 or more, x ≈ s·l with 0 ≤ l ≤ most: the scales of a super-block.
   */
  float positive(float[] x, int n, int most, float[] weights, int[] steps) {
    float max = 0;
    for (int i = 0; i < n; i++) {
      max = Math.max(max, x[i]);
    }
    if (max < NOTHING) {
      Arrays.fill(steps, 0, n, 0);
      return 0;
    }
    float inverse = most / max;
    float best = Float.MAX_VALUE;
    for (int guess = -4; guess <= 4; guess++) {
      float tryInverse = (0.1f * guess + most) / max;
      float error = 0;
      for (int i = 0; i < n; i++) {
        float off = x[i] - Math.min(most, nearest(tryInverse * x[i])) / tryInverse;
        error += weights[i] * off * off;
      }
      if (error < best) {
        best = error;
        inverse = tryInverse;
      }
    }
    float xl = 0;
    float ll = 0;
    for (int i = 0; i < n; i++) {
      int l = Math.min(most, nearest(inverse * x[i]));
      steps[i] = l;
      xl += weights[i] * x[i] * l;
      ll += weights[i] * l * l;
    }
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < n; i++) {
        float w = weights[i];
        float restXl = xl - w * x[i] * steps[i];
        float restLl = ll - w * steps[i] * steps[i];
        if (restXl > 0 && restLl > 0) {
          int other = Math.min(most, nearest(x[i] * restLl / restXl));
          float otherXl = restXl + w * x[i] * other;
          float otherLl = restLl + w * other * other;
          if (other != steps[i] && otherXl * otherXl * ll > xl * xl * otherLl) {
            steps[i] = other;
            xl = otherXl;
            ll = otherLl;
          }
        }
      }
    }
    return ll > 0 ? xl / ll : 0;
  }
}
