package dev.yuzui.kit;

import java.util.Arrays;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.function.ToDoubleFunction;

/**
 * The contents of a matrix in each of the two variants a case runs with: what was recorded with the
 * first must compute with the second when it is replayed.
 */
public record Values(int rows, int cols, IntFunction<float[]> byVariant) {
  static final int VARIANTS = 2;

  public float[] of(int variant) {
    return byVariant.apply(variant);
  }

  /** Draws every number once, from a source of its own for each variant. */
  private static Values drawn(int rows, int cols, long seed, ToDoubleFunction<Random> draw) {
    float[][] x = new float[VARIANTS][rows * cols];
    for (int variant = 0; variant < VARIANTS; variant++) {
      Random random = new Random(seed * VARIANTS + variant);
      for (int i = 0; i < rows * cols; i++) {
        x[variant][i] = (float) draw.applyAsDouble(random);
      }
    }
    return new Values(rows, cols, variant -> x[variant].clone());
  }

  /** The same numbers in both variants. */
  public static Values literal(int rows, int cols, double... values) {
    if (values.length != rows * cols) {
      throw new IllegalArgumentException(values.length + " values for " + rows + " × " + cols);
    }
    float[] x = new float[values.length];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) values[i];
    }
    return new Values(rows, cols, _ -> x.clone());
  }

  public static Values literal(int rows, int cols, float[] values) {
    return new Values(rows, cols, _ -> values.clone());
  }

  public static Values fill(int rows, int cols, float value) {
    return new Values(
        rows,
        cols,
        _ -> {
          float[] x = new float[rows * cols];
          Arrays.fill(x, value);
          return x;
        });
  }

  /** Standard normal numbers. */
  public static Values normal(int rows, int cols, long seed) {
    return normal(rows, cols, seed, 0, 1);
  }

  public static Values normal(int rows, int cols, long seed, double mean, double deviation) {
    return drawn(rows, cols, seed, random -> mean + deviation * random.nextGaussian());
  }

  /** Whole numbers from 0 to {@code bound} − 1. */
  public static Values integers(int rows, int cols, int bound, long seed) {
    return drawn(rows, cols, seed, random -> random.nextInt(bound));
  }
}
